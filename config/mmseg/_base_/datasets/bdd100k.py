# BDD100K semantic segmentation (its 10k images), Cityscapes' 19 classes. The labels of the test split are not public:
# tests use val.
data_root = 'data/bdd100k'
size = (360, 640)  # height and width of the network's input
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='AlignedResize', scale=size[::-1], keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomShift', pixels=2),
    dict(type='PackSegInputs')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='AlignedResize', scale=size[::-1], keep_ratio=False),
    dict(type='LoadAnnotations'),  # after the resize, so that labels keep their own size
    dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=6,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='BDD100KDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/10k/train', seg_map_path='labels/sem_seg/masks/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BDD100KDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
