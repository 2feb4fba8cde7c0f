"""Hooks of the search: options die after every epoch, the last ones under growing pressure; the gates are noted."""

from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.search.cost_target import shrink_within_reach
from ssr_mmseg.search.step import architecture_of
from ssr_mmseg.training.hooks.tensorboard_hook import BOARD


@HOOKS.register_module()
class ShrinkingHook(Hook):
    """Progressive and hierarchical shrinking: after every epoch options with p ≤ threshold · max p die (method §6).

    Where the search is held to its target, none dies without which no network would be left near it.

    Args:
        threshold: Share of the group's largest probability.
    """

    priority = "NORMAL"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def after_train_epoch(self, runner: Any) -> None:
        architecture, cost = architecture_of(runner.model), runner.train_loop.objective.cost
        for tensor in architecture.state_dict().values():  # shrinking is decided once
            dist.broadcast(tensor)
        if cost.hold is None:
            removed = architecture.shrink(self.threshold)
        else:
            removed = shrink_within_reach(architecture, cost, self.threshold)
        runner.logger.info(f"shrinking removed {removed} options")


@HOOKS.register_module()
class RegularizerRampHook(Hook):
    """Raise the regularizer's weights towards the search's end, so that what is still undecided gets decided.

    From the share `begin` of all epochs on, the weights of all gates grow exponentially, up to `factor` times in the
    last epoch. A group that cross-entropy and cost decide earlier never sees it.

    Args:
        begin: Share of the search's epochs, over all stages, at which the weights begin to grow.
        factor: What they have grown by at the end.
        epochs: Epochs of the search, over all stages.
    """

    def __init__(self, begin: float, factor: float, epochs: int) -> None:
        self.begin, self.factor, self.epochs = begin, factor, epochs
        self.weights: dict[str, float] = {}

    def before_train(self, runner: Any) -> None:
        self.weights = dict(runner.train_loop.objective.weights)

    def growth(self, epoch: int) -> float:
        """What the weights have grown by in an epoch, counted from 0."""
        return self.factor ** (max((epoch + 1) / self.epochs - self.begin, 0) / (1 - self.begin))

    def before_train_epoch(self, runner: Any) -> None:
        growth = self.growth(runner.train_loop.epoch)
        grown = {gate: self.weights[gate] * growth for gate in GATES}
        runner.train_loop.objective.weights = {**self.weights, **grown}


@HOOKS.register_module()
class GateHistoryHook(Hook):
    """Add the state of the gates to the epoch's record: survivors, entropy, decided share and expected cost.

    Probabilities are added too, up to epoch `dense` every time, then every `interval` epochs and at a stage's end: a
    search of the paper's length has tens of thousands of options.

    Args:
        dense: Epochs whose probabilities are all kept.
        interval: Epochs between the probabilities that are kept later.
    """

    priority = "BELOW_NORMAL"  # behind the shrinking and behind HistoryHook, whose record it completes

    def __init__(self, dense: int = 40, interval: int = 5) -> None:
        self.dense = dense
        self.interval = interval

    def after_train_epoch(self, runner: Any) -> None:
        loop = runner.train_loop
        architecture = architecture_of(runner.model)
        with torch.no_grad():
            ratio = float(loop.objective.cost_ratio(architecture.probabilities()))
        record = loop.history[-1]
        record |= {
            "options_alive": architecture.options_alive(),
            "entropy": architecture.entropy(),
            "gates_decided": architecture.gates_decided(),
            "cost_ratio": ratio,
            "cost_target": loop.objective.target_ratio,
        }
        epoch = record["epoch"]
        if epoch <= self.dense or epoch % self.interval == 0 or epoch == loop.max_epochs:
            record["probabilities"] = leading_probabilities(architecture)


@HOOKS.register_module()
class GateBoardHook(Hook):
    """Show the gates on TensorBoard after every epoch: survivors, entropy, decided share, cost and probabilities."""

    priority = "LOW"  # behind GateHistoryHook, which measures them

    def after_train_epoch(self, runner: Any) -> None:
        loop, board = runner.train_loop, runner.visualizer.get_backend(BOARD)
        record, step = loop.history[-1], loop.iter
        for name in ("options_alive", "entropy"):
            for gate, value in record[name].items():
                board.add_scalar(f"{name}/{gate}", value, step)
        for name in ("gates_decided", "cost_ratio"):
            board.add_scalar(f"gates/{name}", record[name], step)
        architecture = architecture_of(runner.model)
        with torch.no_grad():
            for gate, probabilities in architecture.probabilities().items():
                board.experiment.add_histogram(
                    f"probabilities/{gate}", probabilities[architecture.alive[gate]].cpu(), step
                )


@torch.no_grad()
def leading_probabilities(architecture: ArchitectureParameters) -> dict[str, list[list[float]]]:
    """Probabilities of the depth and operator groups, and of the width groups of each block's leading operator.

    One list of options per stage or block, rounded to 4 digits; an empty list for a group that was removed.
    """
    probabilities = architecture.probabilities()
    leading = probabilities["operator"].argmax(dim=-1)
    blocks = torch.arange(len(leading), device=leading.device)
    rows = {
        "depth": probabilities["depth"],
        "operator": probabilities["operator"],
        "mid_width": probabilities["mid_width"][blocks, leading],
        "out_width": probabilities["out_width"][blocks, leading],
    }
    return {
        gate: [[round(p, 4) for p in group] if any(group) else [] for group in values.tolist()]
        for gate, values in rows.items()
    }
