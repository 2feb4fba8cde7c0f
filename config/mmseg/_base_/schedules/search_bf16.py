# The paper's search with forward passes in bfloat16, for GPUs and CPUs with bfloat16 matrix units.
_base_ = ['./search.py']
optim_wrapper = dict(weights=dict(type='BFloat16OptimWrapper'), architecture=dict(type='BFloat16OptimWrapper'))
