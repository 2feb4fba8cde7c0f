# Supernet of the search. The workflow sets the search space of the experiment's YAML; as it stands, this is the paper's.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(
        type='SSRSupernet',
        space=dict(
            stages=[dict(blocks=6, channels=64, width_step=4), dict(blocks=11, channels=128, width_step=4)],
            dilations=[1, 2, 4, 8, 16],
            resolutions=[1, 2],
            width_options=9)),
    decode_head=dict(
        type='SearchHead',
        in_channels=128,
        align_corners=False,
        num_classes=11,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
