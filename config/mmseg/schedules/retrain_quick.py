# A retraining of a few hundred steps: a larger learning rate, lowered step by step instead of epoch by epoch.
_base_ = ['./retrain.py']
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, convert_to_iter_based=True)]
