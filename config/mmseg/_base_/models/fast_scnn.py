# mmseg's Fast-SCNN (Poudel et al., 2019) with two auxiliary heads. Batch normalization has torch's default momentum;
# with mmseg's 0.01 the statistics of a short training would stay near their initial values.
norm_cfg = dict(type='BN')
auxiliary = dict(
    type='FCNHead',
    channels=32,
    num_convs=1,
    concat_input=False,
    norm_cfg=norm_cfg,
    align_corners=False,
    num_classes=11,
    loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(type='FastSCNN', norm_cfg=norm_cfg),
    decode_head=dict(
        type='DepthwiseSeparableFCNHead',
        in_channels=128,
        channels=128,
        in_index=-1,
        concat_input=False,
        norm_cfg=norm_cfg,
        align_corners=False,
        num_classes=11,
        loss_decode=dict(type='CrossEntropyLoss')),
    auxiliary_head=[dict(auxiliary, in_channels=128, in_index=-2), dict(auxiliary, in_channels=64, in_index=-3)],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
