# Settings of runs on a GPU with short steps: losses are not read at every step, as mmengine's RuntimeInfoHook does, since
# that synchronizes with the GPU (HistoryHook logs their means); LoggerHook logs once per epoch; and checkpoints are rare,
# because an epoch takes about a second.
_base_ = ['./default_runtime.py']
default_hooks = dict(
    runtime_info=dict(type='UnreadLossesInfoHook'), logger=dict(interval=1000), checkpoint=dict(interval=50))
