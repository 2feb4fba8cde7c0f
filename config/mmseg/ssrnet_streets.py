# Training from scratch in the default experiment.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/datasets/streets.py', './_base_/schedules/retrain_quick.py',
    './_base_/default_runtime.py']
# Half the paper's widths, as the stages of the space have: otherwise most multiply-adds are the head's.
model = dict(decode_head=dict(channels=64, skip_channels=32, branch_channels=20))
