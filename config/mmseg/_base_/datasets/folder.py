# Your own data: <split>/images and <split>/labels below the source. The workflow takes the class names from the
# experiment's YAML file; with mmseg's tools, write them here.
classes = ('background', 'foreground')
palette = [[0, 0, 0], [255, 255, 255]]
data_root = 'data/own'
size = (256, 512)  # height and width of the network's input
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
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='FolderDataset',
        metainfo=dict(classes=classes, palette=palette),
        data_root=data_root,
        data_prefix=dict(img_path='train/images', seg_map_path='train/labels'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='FolderDataset',
        metainfo=dict(classes=classes, palette=palette),
        data_root=data_root,
        data_prefix=dict(img_path='val/images', seg_map_path='val/labels'),
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='FolderDataset',
        metainfo=dict(classes=classes, palette=palette),
        data_root=data_root,
        data_prefix=dict(img_path='test/images', seg_map_path='test/labels'),
        pipeline=test_pipeline))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
