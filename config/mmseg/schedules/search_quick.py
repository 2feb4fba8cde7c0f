# A search of a few hundred steps: larger steps of everything, so that the gates decide in that time.
_base_ = ['./search.py']
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=2e-3)),
    architecture=dict(optimizer=dict(lr=1e-1, weight_decay=3e-3)))
