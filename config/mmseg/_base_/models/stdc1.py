# mmseg's STDC1-Seg (Fan et al., 2021), from scratch, without the boundary head, and on the same pixel grid as all
# networks here (no `align_corners`).
norm_cfg = dict(type='BN')
auxiliary = dict(
    type='FCNHead',
    in_channels=128,
    channels=64,
    num_convs=1,
    concat_input=False,
    norm_cfg=norm_cfg,
    align_corners=False,
    num_classes=11,
    loss_decode=dict(type='CrossEntropyLoss'))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(
        type='STDCContextPathNet',
        backbone_cfg=dict(
            type='STDCNet',
            stdc_type='STDCNet1',
            in_channels=3,
            channels=(32, 64, 256, 512, 1024),
            bottleneck_type='cat',
            num_convs=4,
            norm_cfg=norm_cfg,
            act_cfg=dict(type='ReLU'),
            with_final_conv=False),
        last_in_channels=(1024, 512),
        out_channels=128,
        ffm_cfg=dict(in_channels=384, out_channels=256, scale_factor=4)),
    decode_head=dict(
        type='FCNHead',
        in_channels=256,
        in_index=3,
        channels=256,
        num_convs=1,
        concat_input=False,
        norm_cfg=norm_cfg,
        align_corners=False,
        num_classes=11,
        loss_decode=dict(type='CrossEntropyLoss')),
    auxiliary_head=[dict(auxiliary, in_index=2), dict(auxiliary, in_index=1)],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
