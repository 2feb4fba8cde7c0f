# What the schedules made for one GPU share: the training set lives on the device and is augmented there, convolutions
# are channels-last, and no hook of mmengine reads numbers from the GPU at every step (the loop does when its means are asked for).
_base_ = ['./runtime.py']
loader = dict(resident=True)
# Cross-entropy averaged over the measured class weights, as mmseg's, whose masks make the CPU wait for the GPU.
loss = dict(type='HardPixelCrossEntropy')
default_hooks = dict(runtime_info=None, timer=None, logger=None)
custom_hooks = [dict(type='HistoryHook'), dict(type='ChannelsLastHook')]
state = dict(rest=20.0)  # an epoch takes about a second: not each of them is worth a file
