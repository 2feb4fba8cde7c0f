# Cityscapes, fine annotations, 19 classes. The labels of the test split are not public: tests use val.
data_root = 'data/cityscapes'
size = (512, 1024)  # height and width of the network's input
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
        type='CityscapesDataset',
        data_root=data_root,
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
