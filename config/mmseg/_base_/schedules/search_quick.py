# Search of a few hundred steps: larger learning rates, so that the gates are decided in that time. A lower momentum
# and a higher weight decay of α keep several survivors of a gate from saturating together (docs/method.md).
_base_ = ['./search.py']
max_epochs = 48
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=2e-3)),
    architecture=dict(optimizer=dict(lr=1e-1, betas=(0.5, 0.999), weight_decay=4e-3)))
param_scheduler = dict(weights=[dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs + 1, by_epoch=True)])
train_cfg = dict(max_epochs=max_epochs, warmup=12, share_operators=True, cost=dict(target=0.16, hold=1000))
# After 60 % of the search the regularizer grows, by a factor of 100 at the end, so that every gate is decided.
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='RegularizerRampHook', begin=0.6, factor=100),
    dict(type='ShrinkingHook', threshold=0.1),
    dict(type='GateHistoryHook')]
