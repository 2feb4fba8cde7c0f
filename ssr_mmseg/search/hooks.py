"""Hooks of the search: options die after every epoch, and what the gates did is noted."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.search.loop import architecture_of


@HOOKS.register_module()
class ShrinkingHook(Hook):
    """Progressive and hierarchical shrinking: after every epoch options with p ≤ threshold · max p die (method §6).

    Args:
        threshold: Share of the group's largest probability.
    """

    priority = "NORMAL"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def after_train_epoch(self, runner: Any) -> None:
        removed = architecture_of(runner.model).shrink(self.threshold)
        runner.logger.info(f"shrinking removed {removed} options")


@HOOKS.register_module()
class GateHistoryHook(Hook):
    """Add the state of the gates to the epoch's record: survivors, entropy, decided share and expected cost."""

    priority = "BELOW_NORMAL"  # behind the shrinking and behind HistoryHook, whose record it completes

    def after_train_epoch(self, runner: Any) -> None:
        architecture = architecture_of(runner.model)
        with torch.no_grad():
            ratio = float(runner.train_loop.objective.cost_ratio(architecture.probabilities()))
        runner.train_loop.history[-1] |= {
            "options_alive": architecture.options_alive(),
            "entropy": architecture.entropy(),
            "gates_decided": architecture.gates_decided(),
            "cost_ratio": ratio,
        }
