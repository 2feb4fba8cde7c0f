# mmseg's CGNet (Wu et al., 2018).
norm_cfg = dict(type='BN', eps=1e-3)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(
        type='CGNet',
        norm_cfg=norm_cfg,
        in_channels=3,
        num_channels=(32, 64, 128),
        num_blocks=(3, 21),
        dilations=(2, 4),
        reductions=(8, 16)),
    decode_head=dict(
        type='FCNHead',
        in_channels=256,
        in_index=2,
        channels=256,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        norm_cfg=norm_cfg,
        align_corners=False,
        num_classes=11,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
