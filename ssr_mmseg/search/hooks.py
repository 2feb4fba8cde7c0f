"""Hooks of the search: shrinking, the ramp of the regularizer's weights, and records of the gates."""

from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES, dependents
from ssr_mmseg.search.cost_target import shrink_within_reach
from ssr_mmseg.search.step import get_architecture
from ssr_mmseg.training.hooks.tensorboard_hook import BOARD


@HOOKS.register_module()
class ShrinkingHook(Hook):
    """Progressive and hierarchical shrinking: after every epoch, remove options with p ≤ threshold · max p (method §6).

    If the search is held to its target, options that are needed to reach the target are kept.

    Args:
        threshold: Share of the group's largest probability.
    """

    priority = "NORMAL"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def after_train_epoch(self, runner: Any) -> None:
        architecture, cost = get_architecture(runner.model), runner.train_loop.objective.cost
        for tensor in architecture.state_dict().values():  # so that all processes shrink alike
            dist.broadcast(tensor)
        if cost.hold is None:
            removed = architecture.shrink(self.threshold)
        else:
            removed = shrink_within_reach(architecture, cost, self.threshold)
        runner.logger.info(f"shrinking removed {removed} options")


@HOOKS.register_module()
class RegularizerRampHook(Hook):
    """Increase the regularizer's weights towards the end of the search, to decide the groups that are still undecided.

    From the share `begin` of all epochs on, the weights of all gates grow exponentially, up to `factor` times their
    value in the last epoch. Groups that are decided earlier are not affected.

    Args:
        begin: Share of the epochs, over all stages, after which the weights grow.
        factor: Growth at the end of the search.
        epochs: Epochs of the search, over all stages.
    """

    def __init__(self, begin: float, factor: float, epochs: int) -> None:
        self.begin, self.factor, self.epochs = begin, factor, epochs
        self.weights: dict[str, float] = {}

    def before_train(self, runner: Any) -> None:
        self.weights = dict(runner.train_loop.objective.weights)

    def growth(self, epoch: int) -> float:
        """Return the factor of the weights in an epoch, counted from 0."""
        return self.factor ** (max((epoch + 1) / self.epochs - self.begin, 0) / (1 - self.begin))

    def before_train_epoch(self, runner: Any) -> None:
        growth = self.growth(runner.train_loop.epoch)
        grown = {gate: self.weights[gate] * growth for gate in GATES}
        runner.train_loop.objective.weights = {**self.weights, **grown}


@HOOKS.register_module()
class GateHistoryHook(Hook):
    """Add the state of the gates to the epoch's record: survivors, entropy, decided share and expected cost.

    The record also has the probabilities: of every epoch up to `dense`, then of every `interval`-th epoch and the last
    epoch of a stage, because a search as long as the paper's has tens of thousands of options.

    Args:
        dense: Number of first epochs that are all recorded.
        interval: Interval between the later epochs that are recorded.
    """

    priority = "BELOW_NORMAL"  # after shrinking, and after HistoryHook, which creates the record

    def __init__(self, dense: int = 40, interval: int = 5) -> None:
        self.dense = dense
        self.interval = interval

    def after_train_epoch(self, runner: Any) -> None:
        loop = runner.train_loop
        architecture = get_architecture(runner.model)
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
    """Write the gates to TensorBoard after every epoch: survivors, entropy, decided share, cost and probabilities."""

    priority = "LOW"  # after GateHistoryHook, which measures them

    def after_train_epoch(self, runner: Any) -> None:
        loop, board = runner.train_loop, runner.visualizer.get_backend(BOARD)
        record, step = loop.history[-1], loop.iter
        for name in ("options_alive", "entropy"):
            for gate, value in record[name].items():
                board.add_scalar(f"{name}/{gate}", value, step)
        for name in ("gates_decided", "cost_ratio"):
            board.add_scalar(f"gates/{name}", record[name], step)
        architecture = get_architecture(runner.model)
        with torch.no_grad():
            for gate, probabilities in architecture.probabilities().items():
                board.experiment.add_histogram(
                    f"probabilities/{gate}", probabilities[architecture.alive[gate]].cpu(), step
                )


@torch.no_grad()
def leading_probabilities(architecture: ArchitectureParameters) -> dict[str, list[list[float]]]:
    """Return the probabilities of each gate: one list of options per stage or block, rounded to 4 digits.

    A gate of operators has the list of each block's leading operator. The list of a removed group is empty.
    """
    probabilities = architecture.probabilities()
    leading = probabilities["operator"].argmax(dim=-1)
    blocks = torch.arange(len(leading), device=leading.device)
    for gate in dependents("operator"):
        probabilities[gate] = probabilities[gate][blocks, leading]  # (blocks, options)
    return {
        gate: [[round(p, 4) for p in group] if any(group) else [] for group in values.tolist()]
        for gate, values in probabilities.items()
    }
