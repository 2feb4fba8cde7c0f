# BDD100K semantic segmentation (its 10k images), Cityscapes' 19 classes. The labels of the test split are not public.
train = dict(
    type='BDD100KDataset',
    data_prefix=dict(img_path='images/10k/train', seg_map_path='labels/sem_seg/masks/train'))
val = dict(
    type='BDD100KDataset',
    data_prefix=dict(img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val'))
test = None
