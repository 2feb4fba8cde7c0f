# search_camvid.py for a few hundred steps on a CPU: float32, and larger learning rates, as in search_quick.py.
_base_ = ['./search_camvid.py']
optim_wrapper = dict(
    weights=dict(enabled=False, optimizer=dict(lr=2e-3)),
    architecture=dict(enabled=False, optimizer=dict(lr=1.5e-1, weight_decay=4e-3)))
