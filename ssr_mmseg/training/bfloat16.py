"""Optimizer wrapper for forward and backward passes in bfloat16, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Keep weights, gradients and moments in float32 and compute convolutions in bfloat16 (`torch.autocast`).

    bfloat16 has float32's range, so losses need no scaling and the state is that of an `OptimWrapper`. mmengine's
    `AmpOptimWrapper` needs a GPU, and its scaler synchronizes with the GPU at every step; so does the gradient norm
    that `OptimWrapper` logs when it clips, which is therefore not logged here.

    Args:
        enabled: Whether to use bfloat16; if False, everything is computed in float32.
    """

    def __init__(self, *arguments, enabled: bool = True, **options) -> None:
        super().__init__(*arguments, **options)
        self.enabled = enabled

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16, enabled=self.enabled):
            yield

    def _clip_grad(self) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if parameters:
            self.clip_func(parameters, **self.clip_grad_kwargs)
