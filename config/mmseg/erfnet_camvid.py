# ERFNet, trained as the derived networks are.
_base_ = [
    './_base_/models/erfnet.py', './_base_/datasets/camvid.py', './_base_/schedules/retrain_camvid.py', './_base_/gpu_runtime.py']
train_dataloader = dict(augmentation={{_base_.augmentation}})
model = dict(decode_head=dict(loss_decode={{_base_.loss}}))
