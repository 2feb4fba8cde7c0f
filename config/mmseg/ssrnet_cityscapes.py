# The paper's training from scratch, on Cityscapes.
_base_ = [
    './_base_/models/ssrnet.py', './_base_/datasets/cityscapes.py', './_base_/schedules/retrain.py',
    './_base_/default_runtime.py']
model = dict(decode_head=dict(num_classes=19))
