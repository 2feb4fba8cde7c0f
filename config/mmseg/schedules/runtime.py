# Settings of every run. Input size, classes and their weights, training length and seed come from the experiment's
# YAML; everything else about a training is set in these files.
default_scope = 'mmseg'
custom_imports = dict(imports=['ssr_mmseg.experiment.register'])
log_level = 'INFO'
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
default_hooks = dict(logger=dict(type='LoggerHook', interval=20), checkpoint=None, sampler_seed=None)
custom_hooks = [dict(type='HistoryHook')]
loader = dict(num_workers=0)  # number of loader processes, which does not affect the batches
normalization = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])  # RGB, values from 0 to 255
