# Search of a few hundred steps: larger learning rates, so that the gates are decided in that time. A lower momentum
# and a higher weight decay of α keep several survivors of a gate from saturating together (docs/method.md).
_base_ = ['./search.py']
max_epochs = 22
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=2e-3)),
    architecture=dict(optimizer=dict(lr=1.5e-1, betas=(0.5, 0.999), weight_decay=4e-3)))
param_scheduler = dict(weights=[dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs + 1, by_epoch=True)])
train_cfg = dict(max_epochs=max_epochs)
