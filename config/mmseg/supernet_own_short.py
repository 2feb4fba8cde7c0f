# The search on your own data, for a few hundred to a few thousand steps. `ssr-mmseg fit` names it.
_base_ = [
    './_base_/models/supernet.py', './_base_/resident_folder.py', './_base_/schedules/search_camvid_short.py',
    './_base_/gpu_runtime.py']
model = dict(
    backbone=dict(
        space=dict(
            stages=[dict(blocks=4, channels=32, width_step=3), dict(blocks=6, channels=64, width_step=7)],
            dilations=[1, 2, 4, 8],
            resolutions=[1, 2],
            width_options=9)),
    decode_head=dict(in_channels=64, num_classes=2, loss_decode=dict(type='HardPixelCrossEntropy')))
train_dataloader = dict(batch_size=8)
train_cfg = dict(size={{_base_.size}})
