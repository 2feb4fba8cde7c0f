# Search on CamVid, in bfloat16. Unlike the paper's search, the cost term has weight 500 instead of 1, so that the
# search ends near its target, the regularizer grows towards the end, and learning rates are for 4,400 steps, which are
# 200 epochs here. docs/camvid.md explains the learning rate of α.
_base_ = ['./resident.py']
augmentation = [dict(type='RandomFlip', prob=0.5), dict(type='RandomShift', pixels=2)]
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
    weights=[dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, convert_to_iter_based=True)], architecture=[])
objective = dict(cross_entropy=100, operator=30, out_width=15, mid_width=15, depth=15, cost=500)
# After 60 % of the search the regularizer grows, by a factor of 100 at the end, so that every gate is decided before
# discretization.
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ChannelsLastHook'),
    dict(type='RegularizerRampHook', begin=0.6, factor=100),
    dict(type='GraphHook')]  # records the steps as CUDA graphs; does nothing on a CPU
