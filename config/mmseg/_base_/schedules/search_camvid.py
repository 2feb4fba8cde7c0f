# Search on CamVid, in bfloat16. Unlike the paper's search, the cost term has weight 500 instead of 1, so that the
# search ends near its target, the regularizer grows towards the end, and learning rates are for 4,400 steps, which are
# 200 epochs here. docs/camvid.md explains the learning rate of α.
max_epochs = 200
optim_wrapper = dict(
    constructor='SearchOptimWrapperConstructor',
    weights=dict(
        type='BFloat16OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-4, fused=True)),
    architecture=dict(
        type='BFloat16OptimWrapper',
        optimizer=dict(type='Adam', lr=5e-3, betas=(0.5, 0.999), weight_decay=1e-3),
        clip_grad=dict(max_norm=5)))
param_scheduler = dict(
    weights=[
        dict(type='PolyLR', power=0.9, eta_min=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)],
    architecture=[])
train_cfg = dict(
    type='SearchLoop',
    max_epochs=max_epochs,
    objective=dict(cross_entropy=100, operator=30, out_width=15, mid_width=15, depth=15, cost=500),
    regularizer='ssr',
    cost=dict(type='macs', target=0.7),
    split='halves',
    val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# After 60 % of the search the regularizer grows, by a factor of 100 at the end, so that every gate is decided before
# discretization.
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ChannelsLastHook'),
    dict(type='RegularizerRampHook', begin=0.6, factor=100),
    dict(type='GraphHook'),  # records the steps as CUDA graphs; does nothing on a CPU
    dict(type='ShrinkingHook', threshold=0.1),
    dict(type='GateHistoryHook')]
