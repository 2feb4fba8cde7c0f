# Training from scratch of config/camvid_short.yaml, at full size; the workflow halves the sides.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/datasets/camvid.py', './_base_/schedules/retrain_camvid_short.py',
    './_base_/gpu_runtime.py']
train_dataloader = dict(batch_size=8, augmentation={{_base_.augmentation}})
model = dict(decode_head=dict(loss_decode={{_base_.loss}}))
