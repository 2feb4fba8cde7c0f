# retrain_camvid.py for a few hundred steps on a CPU: float32, a larger learning rate with a short warm-up, an average
# with a short memory, and validation every other epoch.
_base_ = ['./retrain_camvid.py']
max_epochs = 16
warmup = 1
optim_wrapper = dict(enabled=False, optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=warmup, by_epoch=True, convert_to_iter_based=True),
    dict(
        type='PolyLR', power=0.9, eta_min=0, begin=warmup, end=max_epochs, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ChannelsLastHook'),
    dict(type='AverageHook', decay=0.98),
    dict(type='ValidationHook', interval=2)]
