# The search on your own data, for long runs. `ssr-mmseg fit` names it.
_base_ = [
    './_base_/models/supernet.py', './_base_/resident_folder.py', './_base_/schedules/search_camvid.py',
    './_base_/gpu_runtime.py']
model = dict(
    backbone=dict(
        space=dict(
            stages=[dict(blocks=5, channels=64, width_step=4), dict(blocks=9, channels=112, width_step=4)],
            dilations=[1, 2, 4, 8, 16],
            resolutions=[1, 2],
            width_options=9)),
    # equal to mmseg's cross-entropy, whose masks synchronize with the GPU
    decode_head=dict(in_channels=112, num_classes=2, loss_decode=dict(type='HardPixelCrossEntropy')))
train_dataloader = dict(batch_size=8)
train_cfg = dict(size={{_base_.size}})
