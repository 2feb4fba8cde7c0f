# Training from scratch of config/camvid_short.yaml, at full size; the workflow halves the sides.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/datasets/camvid.py', './_base_/schedules/retrain_camvid_short.py',
    './_base_/gpu_runtime.py']
train_dataloader = dict(batch_size=8, augmentation={{_base_.augmentation}})
# Half the paper's widths, as the stages of the space have: otherwise most multiply-adds are the head's.
model = dict(
    decode_head=dict(channels=64, skip_channels=32, branch_channels=20, loss_decode={{_base_.loss}}))
