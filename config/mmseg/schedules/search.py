# The paper's search (docs/method.md, section 6).
_base_ = ['./runtime.py']
augmentation = [dict(type='RandomFlip', prob=0.5), dict(type='RandomShift', pixels=2)]
optim_wrapper = dict(
    constructor='SearchOptimWrapperConstructor',
    weights=dict(optimizer=dict(type='Adam', lr=3e-4, betas=(0.9, 0.999), weight_decay=1e-4, fused=True)),
    architecture=dict(optimizer=dict(type='Adam', lr=2e-3, weight_decay=1e-3), clip_grad=dict(max_norm=5)))
# α has a constant learning rate.
param_scheduler = dict(weights=[dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True)], architecture=[])
# Weights of the terms of the architecture loss; the paper has no depth term.
objective = dict(cross_entropy=100, operator=30, out_width=15, mid_width=15, depth=15, cost=1)
