# mmseg's DDRNet-23-slim (Hong et al., 2021), from scratch, with the same loss as all networks here, on both heads.
# mmseg's head does not tell its losses which label is ignored; this cross-entropy ignores 255 without being told.
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(
        type='DDRNet', in_channels=3, channels=32, ppm_channels=128, norm_cfg=norm_cfg, align_corners=False),
    decode_head=dict(
        type='DDRHead',
        in_channels=128,
        channels=64,
        dropout_ratio=0.,
        norm_cfg=norm_cfg,
        align_corners=False,
        num_classes=11,
        loss_decode=[
            dict(type='HardPixelCrossEntropy', loss_weight=1.0),
            dict(type='HardPixelCrossEntropy', loss_weight=0.4),
        ]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
