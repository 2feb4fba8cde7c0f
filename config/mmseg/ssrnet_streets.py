# Training from scratch in the default experiment.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/datasets/streets.py', './_base_/schedules/retrain_quick.py',
    './_base_/default_runtime.py']
