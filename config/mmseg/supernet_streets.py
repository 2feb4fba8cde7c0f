# The search of the default experiment.
_base_ = [
    './_base_/models/supernet.py', './_base_/datasets/streets.py', './_base_/schedules/search_quick.py',
    './_base_/default_runtime.py']
model = dict(
    backbone=dict(
        space=dict(
            stages=[dict(blocks=4, channels=32, width_step=3), dict(blocks=6, channels=64, width_step=7)],
            dilations=[1, 2, 4, 8],
            resolutions=[1, 2],
            width_options=9)),
    decode_head=dict(in_channels=64))
train_cfg = dict(size={{_base_.size}})
