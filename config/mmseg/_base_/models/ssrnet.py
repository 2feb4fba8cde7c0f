# Network that a genotype describes, with the paper's aggregation head. The workflow sets genotype and widths of the
# network that it trains; as it stands, this is the published one.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='BatchPreProcessor'),
    backbone=dict(type='SSRNet', genotype='{{ fileDirname }}/../../../genotypes/paper_cityscapes.json'),
    decode_head=dict(
        type='AggregationHead',
        in_channels=[16, 48, 124],  # of the features at 1/2, 1/4 and 1/8
        channels=128,
        skip_channels=64,
        branch_channels=40,
        dropout_ratio=0.1,
        align_corners=False,
        num_classes=11,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
