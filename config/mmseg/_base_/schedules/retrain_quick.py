# Retraining of a few hundred steps: a larger learning rate, decayed every step instead of every epoch.
_base_ = ['./retrain.py']
max_epochs = 16
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
