"""Exponential moving average (EMA) of the weights, which is evaluated and kept at the end of a training."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import Tensor, nn

from ssr_mmseg.training.checkpoint.fitting import mismatch
from ssr_mmseg.training.checkpoint.safe_load import state_needed


@HOOKS.register_module()
class AverageHook(Hook):
    """Exponential moving average of all weights and normalization statistics, copied to the model at the end.

    ā ← ā + (1 − d)(a − ā) after every iteration t, with d = min(decay, (1 + t) / (10 + t)), so that the initial weights
    are forgotten quickly. mmengine's `EMAHook` does not include the average in the resumable state, and reads a counter
    from the GPU at every step.

    mmengine's validation and test during the training measure the average. `StateHook` and mmengine's `CheckpointHook`
    save it besides the live weights: the checkpoint of the latter has the live ones in `state_dict` and the average in
    `average`.

    Args:
        decay: Largest d; 1 / (1 − decay) is the memory in iterations.
    """

    priority = "NORMAL"

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = decay
        self.live: dict[str, Tensor] = {}  # the model's tensors, during a training
        self.average: dict[str, Tensor] = {}
        self.loaded: dict[str, Tensor] | None = None  # the average in a checkpoint that mmengine has loaded

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        self.loaded = checkpoint.get("average")

    def before_train(self, runner: Any) -> None:
        self.live = averaged_tensors(runner.model)
        self.average = {name: value.detach().clone() for name, value in self.live.items()}
        if runner.iter and self.loaded:  # resumed; a checkpoint can also be loaded for its weights alone
            with state_needed("the checkpoint to resume from"):
                self.load_training_state(self.loaded)

    @torch.no_grad()
    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        done = runner.iter + 1
        decay = min(self.decay, (1 + done) / (10 + done))
        torch._foreach_lerp_(list(self.average.values()), list(self.live.values()), 1 - decay)

    def after_train(self, runner: Any) -> None:
        self._exchange()
        self.live = {}  # the model has the average now: a later evaluation must not exchange it

    def before_val_epoch(self, runner: Any) -> None:
        self._exchange()

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        self._exchange()

    def before_test_epoch(self, runner: Any) -> None:
        self._exchange()

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        self._exchange()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        checkpoint["average"] = {name: value.cpu() for name, value in self.average.items()}

    def training_state(self) -> dict[str, Tensor]:
        """Return the average, for the saved state."""
        return self.average

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Restore a saved average.

        Raises:
            ValueError: It is not that of the model's tensors.
        """
        if problem := mismatch(state, self.average):
            raise ValueError(f"an average whose {problem}")
        for name, value in self.average.items():
            value.copy_(state[name])

    @torch.no_grad()
    def _exchange(self) -> None:
        """Exchange the live weights and the average; do nothing outside of a training."""
        for name, live in self.live.items():
            kept = live.clone()
            live.copy_(self.average[name])
            self.average[name].copy_(kept)


def averaged_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the floating-point tensors of a model's state, sharing its memory."""
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
