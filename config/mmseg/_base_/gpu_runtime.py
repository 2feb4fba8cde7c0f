# Settings of runs on a GPU with short steps. Reading the losses at every step, as mmengine's RuntimeInfoHook does, would
# synchronize with the GPU: HistoryHook logs their means, and LoggerHook learning rates and metrics, once per epoch.
# Checkpoints are rare, because an epoch takes about a second.
_base_ = ['./default_runtime.py']
default_hooks = dict(
    runtime_info=dict(type='UnreadLossesInfoHook'), logger=dict(interval=1000), checkpoint=dict(interval=50))
