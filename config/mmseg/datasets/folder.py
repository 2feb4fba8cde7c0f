# Your own data: <split>/images and <split>/labels below the source; class names come from the experiment's YAML file.
train = dict(type='FolderDataset', data_prefix=dict(img_path='train/images', seg_map_path='train/labels'))
val = dict(type='FolderDataset', data_prefix=dict(img_path='val/images', seg_map_path='val/labels'))
test = dict(type='FolderDataset', data_prefix=dict(img_path='test/images', seg_map_path='test/labels'))
