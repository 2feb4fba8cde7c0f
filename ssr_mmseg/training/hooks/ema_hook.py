"""The average of the weights over a training: what is evaluated and kept at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import Tensor, nn


@HOOKS.register_module()
class AverageHook(Hook):
    """Exponential moving average of all weights and normalisation statistics; the model ends with the average.

    ā ← ā + (1 − d)(a − ā) after every iteration t, with d = min(decay, (1 + t) / (10 + t)): a short memory at first,
    so that the initial weights are soon forgotten. mmengine's `EMAHook` keeps the average out of the resumable
    state, and reads a counter from the GPU at every step.

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
        """The average, for the state on disk."""
        return self.average

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Continue with a saved average."""
        for name, value in self.average.items():
            value.copy_(state[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the model has the averaged weights."""
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
    """The floating-point tensors of a model's state, which share their memory with it."""
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
