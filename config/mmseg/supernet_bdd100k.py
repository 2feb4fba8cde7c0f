# The paper's search, on BDD100K.
_base_ = [
    './_base_/models/supernet.py', './_base_/datasets/bdd100k.py', './_base_/schedules/search.py',
    './_base_/default_runtime.py']
model = dict(decode_head=dict(num_classes=19))
train_cfg = dict(size={{_base_.size}})
