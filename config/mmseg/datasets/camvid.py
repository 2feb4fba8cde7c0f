# CamVid, 360x480, 11 classes, SegNet's split (ssr_mmseg/datasets/camvid.py).
train = dict(type='CamVidDataset', data_prefix=dict(img_path='train', seg_map_path='trainannot'))
val = dict(type='CamVidDataset', data_prefix=dict(img_path='val', seg_map_path='valannot'))
test = dict(type='CamVidDataset', data_prefix=dict(img_path='test', seg_map_path='testannot'))
