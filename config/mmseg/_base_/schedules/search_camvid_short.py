# search_camvid.py for a few hundred steps on a CPU: float32, and larger learning rates, as in search_quick.py.
_base_ = ['./search_camvid.py']
max_epochs = 48
optim_wrapper = dict(
    weights=dict(enabled=False, optimizer=dict(lr=2e-3)),
    architecture=dict(enabled=False, optimizer=dict(lr=1e-1, weight_decay=4e-3)))
param_scheduler = dict(
    weights=[
        dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)])
train_cfg = dict(max_epochs=max_epochs, warmup=12, share_operators=True, cost=dict(target=0.16, hold=1000))
