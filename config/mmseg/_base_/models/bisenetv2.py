# mmseg's BiSeNetV2 (Yu et al., 2021) with four auxiliary heads.
norm_cfg = dict(type='BN')
auxiliary = dict(
    type='FCNHead',
    num_convs=2,
    concat_input=False,
    norm_cfg=norm_cfg,
    align_corners=False,
    num_classes=11,
    loss_decode=dict(type='CrossEntropyLoss'))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(
        type='BiSeNetV2',
        detail_channels=(64, 64, 128),
        semantic_channels=(16, 32, 64, 128),
        semantic_expansion_ratio=6,
        bga_channels=128,
        out_indices=(0, 1, 2, 3, 4),
        norm_cfg=norm_cfg,
        align_corners=False),
    decode_head=dict(
        type='FCNHead',
        in_channels=128,
        in_index=0,
        channels=1024,
        num_convs=1,
        concat_input=False,
        norm_cfg=norm_cfg,
        align_corners=False,
        num_classes=11,
        loss_decode=dict(type='CrossEntropyLoss')),
    auxiliary_head=[
        dict(auxiliary, in_channels=16, channels=16, in_index=1),
        dict(auxiliary, in_channels=32, channels=64, in_index=2),
        dict(auxiliary, in_channels=64, channels=256, in_index=3),
        dict(auxiliary, in_channels=128, channels=1024, in_index=4),
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
