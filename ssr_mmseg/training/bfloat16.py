"""bfloat16 arithmetic of the forward and backward pass, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Weights, gradients and moments in float32, convolutions in bfloat16 (`torch.autocast`).

    bfloat16 has float32's range, so that losses need no scaling, and the state is that of an `OptimWrapper`. mmengine's
    `AmpOptimWrapper` refuses to run without a GPU, and its scaler reads from the GPU at every step; so does the norm
    that `OptimWrapper` reports when it clips, which is left out here.

    Args:
        enabled: False computes in float32 throughout.
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
