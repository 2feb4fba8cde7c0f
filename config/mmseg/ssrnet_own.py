# Training from scratch on your own data, for long runs. `ssr-mmseg fit` names it.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/resident_folder.py', './_base_/schedules/retrain_camvid.py',
    './_base_/gpu_runtime.py']
train_dataloader = dict(batch_size=8, augmentation={{_base_.augmentation}})
model = dict(decode_head=dict(num_classes=2, loss_decode={{_base_.loss}}))
# Validation is left to the experiment's key monitor.validation, which limits its time.
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ChannelsLastHook'),
    dict(type='CompileHook', parts=['backbone', 'decode_head']),
    dict(type='AverageHook', decay=0.999)]
