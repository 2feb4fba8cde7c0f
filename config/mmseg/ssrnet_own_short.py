# Training from scratch on your own data, for a few hundred to a few thousand steps. `ssr-mmseg fit` names it.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/resident_folder.py', './_base_/schedules/retrain_camvid_short.py',
    './_base_/gpu_runtime.py']
train_dataloader = dict(batch_size=8, augmentation={{_base_.augmentation}})
# Half the paper's widths, as the stages of the small space have: otherwise most multiply-adds are the head's.
model = dict(
    decode_head=dict(
        channels=64, skip_channels=32, branch_channels=20, num_classes=2, loss_decode={{_base_.loss}}))
# Validation is left to the experiment's key monitor.validation, which limits its time.
custom_hooks = [
    dict(type='HistoryHook'),
    dict(type='ChannelsLastHook'),
    dict(type='AverageHook', decay=0.98)]
