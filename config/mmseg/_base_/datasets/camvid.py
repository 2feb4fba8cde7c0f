# CamVid at 360x480 with 11 classes, in SegNet's split (see ssr_mmseg/datasets/camvid.py).
data_root = 'data/camvid'
size = (360, 480)  # height and width of the network's input
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='AlignedResize', scale=size[::-1], keep_ratio=False),
    dict(type='PackSegInputs')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='AlignedResize', scale=size[::-1], keep_ratio=False),
    dict(type='LoadAnnotations'),  # after the resize, so that labels keep their own size
    dict(type='PackSegInputs')]
train_dataloader = dict(
    type='ResidentLoader',  # the training set is kept and augmented on the device
    batch_size=16,
    augmentation=[dict(type='RandomFlip', prob=0.5), dict(type='RandomShift', pixels=2)],
    dataset=dict(
        type='CamVidDataset',
        data_root=data_root,
        data_prefix=dict(img_path='train', seg_map_path='trainannot'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CamVidDataset',
        data_root=data_root,
        data_prefix=dict(img_path='val', seg_map_path='valannot'),
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CamVidDataset',
        data_root=data_root,
        data_prefix=dict(img_path='test', seg_map_path='testannot'),
        pipeline=test_pipeline))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
