# Retraining of a few hundred steps: a larger learning rate, decayed every step instead of every epoch.
_base_ = ['./retrain.py']
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, convert_to_iter_based=True)]
