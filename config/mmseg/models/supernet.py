# The network that is searched: the space itself stands in the experiment's YAML.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='SSRSupernet'),
    decode_head=dict(type='SearchHead', align_corners=False, loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
