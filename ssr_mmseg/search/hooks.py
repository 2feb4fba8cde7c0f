"""Hooks of the search: shrinking, the ramp of the regularizer's weights, the temperature, and records of the gates."""

from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES, dependents
from ssr_mmseg.search.cost_target import shrink_within_reach
from ssr_mmseg.search.step import get_architecture
from ssr_mmseg.training.hooks.any_loop import PeriodHook, bare_model, is_iteration_based
from ssr_mmseg.training.hooks.history_hook import records
from ssr_mmseg.training.hooks.tensorboard_hook import event_files
from ssr_mmseg.utils.errors import UserError


@HOOKS.register_module()
class ShrinkingHook(PeriodHook):
    """Progressive and hierarchical shrinking: after every epoch, remove options with p ≤ threshold · max p (method §6).

    If the loop has an objective that holds the search to its target, options that are needed to reach the target are
    kept, and those that cannot reach it are removed; see `shrink_within_reach`.

    Args:
        threshold: Share of the group's largest probability.
        interval: Iterations between shrinkings in an iteration-based training; by default those of `HistoryHook`.
    """

    priority = "NORMAL"

    def __init__(self, threshold: float, interval: int | None = None) -> None:
        self.threshold = threshold
        self.period = interval

    def after_period(self, runner: Any, done: int) -> None:
        architecture = get_architecture(bare_model(runner))
        cost = getattr(getattr(runner.train_loop, "objective", None), "cost", None)
        for tensor in architecture.state_dict().values():  # so that all processes shrink alike
            dist.broadcast(tensor)
        if cost is None or cost.hold is None:
            removed = architecture.shrink(self.threshold)
        else:
            removed = shrink_within_reach(architecture, cost, self.threshold)
        runner.logger.info(f"shrinking removed {removed} options")


class ScheduleHook(Hook):
    """A hook that sets a value before every epoch of a search or, in an iteration-based training, every iteration.

    The value depends on the position alone, so that a resumed search and the next stage continue the schedule.

    Args:
        begin: Share of the epochs, over all stages, after which the value changes.
        epochs: Epochs of the search, over all stages; by default those of the loop.
    """

    def __init__(self, begin: float, epochs: int | None) -> None:
        self.begin, self.epochs = begin, epochs

    def set_value(self, runner: Any, share: float) -> None:
        """Set the value of the epoch or iteration with which `share` of the search is finished."""
        raise NotImplementedError

    def changed(self, share: float) -> float:
        """Return how much of the schedule is over, from 0 at `begin` to 1 at the end of the search."""
        return max(share - self.begin, 0) / (1 - self.begin)

    def before_train_epoch(self, runner: Any) -> None:
        if not is_iteration_based(runner):
            self.set_value(runner, (runner.epoch + 1) / (self.epochs or runner.max_epochs))

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if is_iteration_based(runner):
            self.set_value(runner, (runner.iter + 1) / runner.max_iters)


@HOOKS.register_module()
class RegularizerRampHook(ScheduleHook):
    """Increase the regularizer's weights towards the end of the search, to decide the groups that are still undecided.

    From the share `begin` of all epochs on, the weights of all gates grow exponentially, up to `factor` times their
    value in the last epoch, and with them that of the cost in a search that is held to its target. Groups that are
    decided earlier are not affected. In an iteration-based training they grow in every iteration.

    Args:
        begin: Share of the epochs, over all stages, after which the weights grow.
        factor: Growth at the end of the search.
        epochs: Epochs of the search, over all stages; by default those of the loop.

    Raises:
        UserError: At the start of the training, if the loop has no objective.
    """

    def __init__(self, begin: float, factor: float, epochs: int | None = None) -> None:
        super().__init__(begin, epochs)
        self.factor = factor
        self.weights: dict[str, float] = {}

    def before_train(self, runner: Any) -> None:
        objective = getattr(runner.train_loop, "objective", None)
        if objective is None:
            raise UserError(
                f"RegularizerRampHook needs a loop with an objective, but {type(runner.train_loop).__name__} has none; "
                "train by SearchLoop, or leave the hook out"
            )
        self.weights = dict(objective.weights)

    def growth(self, share: float) -> float:
        """Return the factor of the weights in the epoch or iteration with which `share` of the search is finished."""
        return self.factor ** self.changed(share)

    def set_value(self, runner: Any, share: float) -> None:
        growth, objective = self.growth(share), runner.train_loop.objective
        growing = GATES if objective.cost.hold is None else (*GATES, "cost")
        objective.weights = {**self.weights, **{name: self.weights[name] * growth for name in growing}}


@HOOKS.register_module()
class TemperatureHook(ScheduleHook):
    """Anneal the gates: their temperature T falls exponentially from 1 to `end` over the search.

    Probabilities are proportional to the scores to the power of 1 / T; for softmax gates this divides α by T. The
    temperature is saved with α, and probabilities keep it after the search. It falls in steps, one per epoch or, in an
    iteration-based training, one per iteration, and is `end` in the last one. Regularizers that read α itself instead
    of the probabilities do not see it.

    Args:
        end: Temperature at the end of the search, greater than 0 and at most 1.
        begin: Share of the epochs, over all stages, after which the temperature falls.
        epochs: Epochs of the search, over all stages; by default those of the loop.

    Raises:
        UserError: A value is out of range.
    """

    def __init__(self, end: float, begin: float = 0.0, epochs: int | None = None) -> None:
        if not (isinstance(end, int | float) and 0 < end <= 1):
            raise UserError(f"TemperatureHook: expected an end > 0 and ≤ 1, found {end!r}; correct it")
        if not (isinstance(begin, int | float) and 0 <= begin < 1):
            raise UserError(f"TemperatureHook: expected a begin ≥ 0 and < 1, found {begin!r}; correct it")
        super().__init__(begin, epochs)
        self.end = end

    def set_value(self, runner: Any, share: float) -> None:
        get_architecture(bare_model(runner)).set_temperature(self.end ** self.changed(share))


@HOOKS.register_module()
class GateHistoryHook(PeriodHook):
    """Add the state of the gates to the epoch's record: survivors, entropy and decided share.

    If the loop has an objective, the record also has the expected cost and its target. It has the probabilities of
    every epoch up to `dense`, then of every `interval`-th epoch and the last epoch of a stage, because a search as long
    as the paper's has tens of thousands of options. In an iteration-based training, records count instead of epochs.

    Args:
        dense: Number of first epochs that are all recorded.
        interval: Interval between the later epochs that are recorded.

    Raises:
        UserError: At the start of the training, if it has no `HistoryHook`.
    """

    priority = "BELOW_NORMAL"  # after shrinking, and after HistoryHook, which creates the record

    def __init__(self, dense: int = 40, interval: int = 5) -> None:
        self.dense = dense
        self.interval = interval

    def before_train(self, runner: Any) -> None:
        records(runner)

    @torch.no_grad()
    def after_period(self, runner: Any, done: int) -> None:
        architecture = get_architecture(bare_model(runner))
        objective = getattr(runner.train_loop, "objective", None)
        record = records(runner)[-1]
        record |= {
            "options_alive": architecture.options_alive(),
            "entropy": architecture.entropy(),
            "gates_decided": architecture.gates_decided(),
        }
        if objective is not None:
            ratio = float(objective.cost_ratio(architecture.probabilities()))
            record |= {"cost_ratio": ratio, "cost_target": objective.target_ratio}
        number = record.get("epoch", len(records(runner)))
        last = done == runner.max_iters
        if number <= self.dense or number % self.interval == 0 or last:
            record["probabilities"] = leading_probabilities(architecture)


@HOOKS.register_module()
class GateBoardHook(PeriodHook):
    """Write the gates to TensorBoard after every epoch: survivors, entropy, decided share, cost and probabilities.

    Raises:
        UserError: The runner has no TensorBoard backend.
    """

    priority = "LOW"  # after GateHistoryHook, which measures them

    def after_period(self, runner: Any, done: int) -> None:
        if not dist.is_main_process():
            return
        board, record = event_files(runner), records(runner)[-1]
        for name in ("options_alive", "entropy"):
            for gate, value in record[name].items():
                board.add_scalar(f"{name}/{gate}", value, done)
        for name in record.keys() & {"gates_decided", "cost_ratio"}:
            board.add_scalar(f"gates/{name}", record[name], done)
        architecture = get_architecture(bare_model(runner))
        with torch.no_grad():
            for gate, probabilities in architecture.probabilities().items():
                board.experiment.add_histogram(
                    f"probabilities/{gate}", probabilities[architecture.alive[gate]].cpu(), done
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
