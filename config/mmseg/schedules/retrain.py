# The paper's retraining from scratch (docs/method.md, section 7), for derived networks and baselines.
_base_ = ['./runtime.py']
augmentation = [dict(type='RandomFlip', prob=0.5), dict(type='RandomShift', pixels=2)]
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.999), weight_decay=1e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True)]
