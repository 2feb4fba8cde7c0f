# Your own data, whose training set is decoded once, then kept and augmented on the device that trains.
_base_ = ['./datasets/folder.py']
train_dataloader = dict(
    _delete_=True,
    type='ResidentLoader',
    batch_size=8,
    augmentation=[dict(type='RandomFlip', prob=0.5), dict(type='RandomShift', pixels=2)],
    dataset=dict(
        type='FolderDataset',
        metainfo=dict(classes={{_base_.classes}}, palette={{_base_.palette}}),
        data_root={{_base_.data_root}},
        data_prefix=dict(img_path='train/images', seg_map_path='train/labels'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='AlignedResize', scale=(512, 256), keep_ratio=False),
            dict(type='PackSegInputs')]))
