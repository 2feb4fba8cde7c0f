# STDC2-Seg (Fan et al., 2021): STDC1-Seg with a deeper backbone.
_base_ = ['./stdc1.py']
model = dict(backbone=dict(backbone_cfg=dict(stdc_type='STDCNet2')))
