# mmseg's PIDNet-S (Xu et al., 2023), from scratch, with the same cross-entropy as all networks here instead of OHEM,
# and on the same pixel grid (no `align_corners`). Its boundary head learns from edges computed from the labels.
norm_cfg = dict(type='BN')
act_cfg = dict(type='ReLU', inplace=True)
train_transforms = [dict(type='GenerateEdge', edge_width=4)]
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='PIDNet',
        in_channels=3,
        channels=32,
        ppm_channels=96,
        num_stem_blocks=2,
        num_branch_blocks=3,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        align_corners=False),
    decode_head=dict(
        type='PIDHead',
        in_channels=128,
        channels=128,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        align_corners=False,
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_weight=0.4),
            dict(type='CrossEntropyLoss', loss_weight=1.0),
            dict(type='BoundaryLoss', loss_weight=20.0),
            dict(type='CrossEntropyLoss', loss_weight=1.0),
        ]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
