# Search of a few hundred steps: larger learning rates, so that the gates are decided in that time. A lower momentum
# and a higher weight decay of α keep several survivors of a gate from saturating together (docs/method.md).
_base_ = ['./search.py']
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=2e-3)),
    architecture=dict(optimizer=dict(lr=1.5e-1, betas=(0.5, 0.999), weight_decay=4e-3)))
