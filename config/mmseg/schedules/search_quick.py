# A search of a few hundred steps: larger steps of everything, so that the gates decide in that time. The short memory
# of αs' momentum and their stronger decay keep survivors from saturating side by side (docs/method.md).
_base_ = ['./search.py']
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=2e-3)),
    architecture=dict(optimizer=dict(lr=1.5e-1, betas=(0.5, 0.999), weight_decay=4e-3)))
