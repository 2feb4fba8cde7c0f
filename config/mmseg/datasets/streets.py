# Street scenes rendered by the project, without a download (see ssr_mmseg/datasets/streets/dataset.py).
train = dict(type='StreetsDataset', data_prefix=dict(img_path='train/images', seg_map_path='train/labels'))
val = dict(type='StreetsDataset', data_prefix=dict(img_path='val/images', seg_map_path='val/labels'))
test = dict(type='StreetsDataset', data_prefix=dict(img_path='test/images', seg_map_path='test/labels'))
