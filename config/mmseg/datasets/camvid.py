# CamVid at 360x480 with 11 classes, in SegNet's split (see ssr_mmseg/datasets/camvid.py).
train = dict(type='CamVidDataset', data_prefix=dict(img_path='train', seg_map_path='trainannot'))
val = dict(type='CamVidDataset', data_prefix=dict(img_path='val', seg_map_path='valannot'))
test = dict(type='CamVidDataset', data_prefix=dict(img_path='test', seg_map_path='testannot'))
