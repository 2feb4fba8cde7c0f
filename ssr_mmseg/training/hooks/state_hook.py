"""Hooks of every training: one keeps its state, one its history."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmseg.registry import HOOKS

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils import distributed


@HOOKS.register_module()
class StateHook(Hook):
    """Resume from `path` if it is there; save to it after every epoch, every `interval` seconds, and when stopped.

    A stop lets the running iteration finish; see `ssr_mmseg.jobs.preemption` for what stops a process. A state that is
    not finite is never saved.

    Args:
        path: The state file; the state before it is kept beside it.
        interval: Seconds between saves within an epoch.
        rest: Seconds after a save in which the ends of epochs save nothing, for epochs of a second.
    """

    priority = "LOWEST"  # behind shrinking and schedulers, so that a state at an epoch's end holds their doing

    def __init__(self, path: str, interval: float = 600.0, rest: float = 0.0) -> None:
        self.checkpoints = Checkpoints(Path(path))
        self.interval, self.rest = interval, rest
        self.saved = -1  # iterations finished at the last save

    def before_train(self, runner: Any) -> None:
        with distributed.first_ahead():  # it removes what is damaged
            state = self.checkpoints.load(runner.logger.warning)
        if state is not None:
            restore(runner, state)
            self.saved = runner.iter
            runner.logger.info(f"resumed at iteration {runner.iter}")
        runner.train_loop.save = lambda: self._save(runner, runner.train_loop.iter, preemption.requested())
        self.saved_at = time.monotonic()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        loop = runner.train_loop
        if batch_idx + 1 == loop.steps_per_epoch:
            return  # the epoch's end, a moment away, saves what its hooks have done as well
        reason = reason_to_stop(runner)
        if reason or time.monotonic() - self.saved_at >= self.interval:
            self._save(runner, loop.iter + 1, reason)

    def after_train_epoch(self, runner: Any) -> None:
        last = runner.train_loop.epoch + 1 == runner.train_loop.max_epochs
        reason = reason_to_stop(runner)
        if last or reason or time.monotonic() - self.saved_at >= self.rest:
            self._save(runner, runner.train_loop.iter, reason)

    def _save(self, runner: Any, iteration: int, reason: str | None = None) -> None:
        if iteration != self.saved:
            if distributed.is_first():
                self._write(runner, iteration)
            self.saved, self.saved_at = iteration, time.monotonic()
        if reason:
            runner.logger.warning(f"stopped by {reason} after iteration {iteration}; run again to resume")
            raise preemption.Stopped(reason)

    def _write(self, runner: Any, iteration: int) -> None:
        state = capture(runner, iteration)
        bad = next(not_finite({part: state[part] for part in ("model", "optimizers")}), None)
        if bad:
            raise runner.train_loop.diverged(f"{bad} is not finite", iteration)
        self.checkpoints.save(state)


@HOOKS.register_module()
class HistoryHook(Hook):
    """Keep the mean of each loss term per epoch in the loop's history."""

    priority = "NORMAL"

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        terms = {name: value for name, value in (outputs or {}).items() if "loss" in name or "acc" in name}
        runner.train_loop.note(mean_terms(terms))

    def after_train_epoch(self, runner: Any) -> None:
        record = runner.train_loop.close_epoch()
        runner.logger.info(", ".join(f"{name} {value:.4g}" for name, value in record.items()))


def capture(runner: Any, iteration: int) -> dict[str, Any]:
    """Everything that the rest of a training depends on, after `iteration` finished iterations."""
    loop: ResumableTrainLoop = runner.train_loop
    hooks = {type(hook).__name__: hook.training_state() for hook in _hooks_with_state(runner)}
    return {
        "iteration": iteration,
        "model": runner.model.state_dict(),
        "optimizers": runner.optim_wrapper.state_dict(),
        "parameters": _parameter_names(runner),
        "schedulers": {
            name: [scheduler.state_dict() for scheduler in schedulers]
            for name, schedulers in _schedulers(runner).items()
        },
        "history": loop.history,
        "sums": dict(loop.sums),
        "count": loop.count,
        "seconds": loop.seconds,
        "waited": loop.waited,
        **({"hooks": hooks} if hooks else {}),
    }


@state_needed("the state to resume from")
def restore(runner: Any, state: dict[str, Any]) -> None:
    """Put a runner where `capture` found it.

    Raises:
        UserError: it is the state of another training.
    """
    loop: ResumableTrainLoop = runner.train_loop
    runner.model.load_state_dict(state["model"])
    runner.optim_wrapper.load_state_dict(state["optimizers"])
    for name, schedulers in _schedulers(runner).items():
        for scheduler, saved in zip(schedulers, state["schedulers"][name], strict=True):
            scheduler.load_state_dict(saved)
    loop.start_at(state["iteration"])
    loop.history = list(state["history"])
    loop.sums.update(state["sums"])
    loop.count = state["count"]
    loop.seconds, loop.waited = state["seconds"], state.get("waited", 0.0)
    for hook in _hooks_with_state(runner):
        hook.load_training_state(state["hooks"][type(hook).__name__])


def reason_to_stop(runner: Any) -> str | None:
    """Why to stop behind this iteration. Data-parallel processes stop together: whoever is told to tells the others."""
    reason = preemption.requested()
    if distributed.count() == 1:
        return reason
    together = distributed.any_of(reason is not None, next(runner.model.parameters()).device)
    return reason or ("another process's signal" if together else None)


def mean_terms(terms: dict[str, Any]) -> dict[str, Any]:
    """Loss terms, numbers or tensors of one element, as means over the processes; untouched if there is one."""
    if distributed.count() == 1 or not terms:
        return terms
    values = [torch.as_tensor(value).detach().float().reshape(()) for value in terms.values()]
    device = next((value.device for value in values if value.device.type != "cpu"), values[0].device)
    means = distributed.mean(torch.stack([value.to(device) for value in values]))
    return dict(zip(terms, means.unbind(), strict=True))


def not_finite(value: Any, name: str = "") -> Iterator[str]:
    """Names of the tensors in nested dictionaries and lists that hold a NaN or an infinity."""
    if torch.is_tensor(value):
        if not bool(torch.isfinite(value).all()):
            yield name
    elif isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from not_finite(inner, f"{name}.{key}" if name else str(key))


def _schedulers(runner: Any) -> dict[str, list]:
    schedulers = runner.param_schedulers or {}
    return schedulers if isinstance(schedulers, dict) else {"all": schedulers}


def _hooks_with_state(runner: Any) -> list[Any]:
    """Hooks whose doing the rest of a training depends on."""
    return [hook for hook in runner.hooks if hasattr(hook, "training_state")]


def _parameter_names(runner: Any) -> dict[str, list[str]]:
    """Names of the parameters of each optimizer, in its order: its state refers to them by position."""
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    wrapper = runner.optim_wrapper
    parts = wrapper.items() if isinstance(wrapper, OptimWrapperDict) else [("all", wrapper)]
    return {part: [names[id(p)] for group in inner.param_groups for p in group["params"]] for part, inner in parts}
