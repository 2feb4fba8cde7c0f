# Fast-SCNN (Poudel et al., 2019) as mmseg builds it, with its two auxiliary heads; but for the momentum of its
# normalisation, mmseg's 0.01, which leaves the statistics of a short training near where they started.
norm_cfg = dict(type='BN')
auxiliary = dict(
    type='FCNHead',
    channels=32,
    num_convs=1,
    concat_input=False,
    norm_cfg=norm_cfg,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4))
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='FastSCNN', norm_cfg=norm_cfg),
    decode_head=dict(
        type='DepthwiseSeparableFCNHead',
        in_channels=128,
        channels=128,
        in_index=-1,
        concat_input=False,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss')),
    auxiliary_head=[dict(auxiliary, in_channels=128, in_index=-2), dict(auxiliary, in_channels=64, in_index=-3)],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
