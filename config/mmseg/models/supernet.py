# Supernet of the search; the search space is set in the experiment's YAML.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='SSRSupernet'),
    decode_head=dict(type='SearchHead', align_corners=False, loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
