# The paper's search (docs/method.md, section 6), in one stage; the workflow divides it into stages.
max_epochs = 200
optim_wrapper = dict(
    constructor='SearchOptimWrapperConstructor',
    weights=dict(optimizer=dict(type='Adam', lr=3e-4, betas=(0.9, 0.999), weight_decay=1e-4, fused=True)),
    architecture=dict(optimizer=dict(type='Adam', lr=2e-3, weight_decay=1e-3), clip_grad=dict(max_norm=5)))
# α has a constant learning rate.
param_scheduler = dict(
    weights=[dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs + 1, by_epoch=True)], architecture=[])
train_cfg = dict(
    type='SearchLoop',
    max_epochs=max_epochs,
    # Weights of the terms of the architecture loss; the paper has no depth term.
    objective=dict(cross_entropy=100, operator=30, out_width=15, mid_width=15, depth=15, cost=1),
    regularizer='ssr',
    cost=dict(type='macs', target=0.6),
    split='halves',
    val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ShrinkingHook', threshold=0.1),
    dict(type='GateHistoryHook')]
