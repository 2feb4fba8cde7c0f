# Settings of runs on a GPU with short steps: mmengine's hooks that synchronize with the GPU at every step are off
# (HistoryHook reads the losses only when needed), and checkpoints are rare, because an epoch takes about a second.
_base_ = ['./default_runtime.py']
default_hooks = dict(runtime_info=None, timer=None, logger=None, checkpoint=dict(interval=50))
