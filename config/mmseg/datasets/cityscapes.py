# Cityscapes, fine annotations, 19 classes. The labels of the test split are not public.
train = dict(type='CityscapesDataset', data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'))
val = dict(type='CityscapesDataset', data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))
test = None
