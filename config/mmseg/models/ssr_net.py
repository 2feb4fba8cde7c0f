# Network that a genotype describes, with the paper's aggregation head.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='SSRNet'),
    decode_head=dict(
        type='AggregationHead',
        channels=128,
        skip_channels=64,
        branch_channels=40,
        dropout_ratio=0.1,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
