# mmseg's PIDNet-S (Xu et al., 2023), from scratch, with the same cross-entropy as all networks here instead of OHEM,
# and on the same pixel grid (no `align_corners`). Its boundary head learns from edges computed from the labels.
# mmseg's head does not tell its losses which label is ignored; this cross-entropy ignores 255 without being told.
norm_cfg = dict(type='BN')
act_cfg = dict(type='ReLU', inplace=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='EdgePreProcessor', edge_width=4),
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
        num_classes=11,
        loss_decode=[
            dict(type='HardPixelCrossEntropy', loss_weight=0.4),
            dict(type='HardPixelCrossEntropy', loss_weight=1.0),
            dict(type='BoundaryLoss', loss_weight=20.0),
            dict(type='HardPixelCrossEntropy', loss_weight=1.0),
        ]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
