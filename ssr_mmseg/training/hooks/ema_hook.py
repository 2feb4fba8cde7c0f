"""Exponential moving average (EMA) of the weights, which is evaluated and kept at the end of a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import Tensor, nn


@HOOKS.register_module()
class AverageHook(Hook):
    """Exponential moving average of all weights and normalization statistics, copied to the model at the end.

    ā ← ā + (1 − d)(a − ā) after every iteration t, with d = min(decay, (1 + t) / (10 + t)), so that the initial weights
    are forgotten quickly. mmengine's `EMAHook` does not include the average in the resumable state, and reads a counter
    from the GPU at every step.

    Args:
        decay: Largest d; 1 / (1 − decay) is the memory in iterations.
    """

    priority = "NORMAL"

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = decay

    def before_train(self, runner: Any) -> None:
        self.live = averaged_tensors(runner.model)
        self.average = {name: value.detach().clone() for name, value in self.live.items()}

    @torch.no_grad()
    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        done = runner.train_loop.iter + 1
        decay = min(self.decay, (1 + done) / (10 + done))
        torch._foreach_lerp_(list(self.average.values()), list(self.live.values()), 1 - decay)

    def after_train(self, runner: Any) -> None:
        self._exchange()

    def training_state(self) -> dict[str, Tensor]:
        """Return the average, for the saved state."""
        return self.average

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Restore a saved average."""
        for name, value in self.average.items():
            value.copy_(state[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights for the length of the block."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, live in self.live.items():
            kept = live.clone()
            live.copy_(self.average[name])
            self.average[name].copy_(kept)


def averaged_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the floating-point tensors of a model's state, sharing its memory."""
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
