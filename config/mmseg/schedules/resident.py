# Base of the schedules for one GPU: the training set is kept and augmented on the device, convolutions are
# channels-last, and mmengine's hooks that synchronize with the GPU at every step are off (the loop reads losses only
# when needed).
_base_ = ['./runtime.py']
loader = dict(resident=True)
# Class-weighted cross-entropy, equal to mmseg's, whose masks synchronize with the GPU.
loss = dict(type='HardPixelCrossEntropy')
default_hooks = dict(runtime_info=None, timer=None, logger=None)
custom_hooks = [dict(type='HistoryHook'), dict(type='ChannelsLastHook')]
state = dict(rest=20.0)  # seconds between saves; an epoch takes only about a second
