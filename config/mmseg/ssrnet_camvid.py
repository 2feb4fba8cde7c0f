# Training from scratch on CamVid's train, on one GPU; the workflow trains on train and val.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/datasets/camvid.py', './_base_/schedules/retrain_camvid.py',
    './_base_/gpu_runtime.py']
train_dataloader = dict(augmentation={{_base_.augmentation}})
model = dict(decode_head=dict(loss_decode={{_base_.loss}}))
