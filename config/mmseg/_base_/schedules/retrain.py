# The paper's retraining from scratch (docs/method.md, section 7), for derived networks and baselines.
max_epochs = 300
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.999), weight_decay=1e-4, fused=True))
# mmengine's polynomial is 0 one step before its end; the last epoch should still learn.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs + 1, by_epoch=True)]
train_cfg = dict(type='ResumableTrainLoop', max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [dict(type='HistoryHook')]
