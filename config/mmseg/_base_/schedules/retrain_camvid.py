# Training from scratch on CamVid, the same for every row of the results table. Each ingredient is one line that can be
# removed; benchmarks/recipe.py measures the effect of each on val.
max_epochs = 1000
warmup = 10  # epochs
augmentation = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomScaleCrop', low=0.5, high=2.0),
    dict(type='ColorJitter', brightness=32, contrast=0.5, saturation=0.5, hue=18, prob=0.5),
    dict(type='CutMix', prob=0.5)]
# Cross-entropy with label smoothing on the hardest pixels (OHEM), for every head.
loss = dict(type='HardPixelCrossEntropy', label_smoothing=0.05, keep=0.25, threshold=0.7)
optim_wrapper = dict(
    type='BFloat16OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-2, fused=True),
    clip_grad=dict(max_norm=5))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=warmup, by_epoch=True, convert_to_iter_based=True),
    dict(
        type='PolyLR', power=0.9, eta_min=0, begin=warmup, end=max_epochs, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type='ResumableTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ChannelsLastHook'),
    dict(type='CompileHook', parts=['backbone', 'decode_head']),
    dict(type='AverageHook', decay=0.999),
    dict(type='ValidationHook', interval=50)]  # the learning curve on val; none where val is trained on
