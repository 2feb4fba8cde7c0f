# STDC2-Seg (Fan et al., 2021): as STDC1, with a deeper backbone.
_base_ = ['./stdc1.py']
model = dict(backbone=dict(backbone_cfg=dict(stdc_type='STDCNet2')))
