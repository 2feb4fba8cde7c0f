"""Hooks of every training: one keeps its state, one its history."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmseg.registry import HOOKS

from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.training.state import load_state, save_state

RESUMABLE = 75  # exit status of a training that was stopped, saved its state and wants to be run again


@HOOKS.register_module()
class StateHook(Hook):
    """Resume from `path` if it is there; save to it after every epoch, every `interval` seconds, and when stopped.

    SIGTERM and SIGINT let the running iteration finish, save, and end the process with status 75.

    Args:
        path: The state file.
        interval: Seconds between saves within an epoch.
    """

    priority = "LOWEST"  # behind shrinking and schedulers, so that a state at an epoch's end holds their doing

    def __init__(self, path: str, interval: float = 600.0) -> None:
        self.path = Path(path)
        self.interval = interval
        self.stopped_by: str | None = None
        self.handlers: dict[int, Any] = {}

    def before_train(self, runner: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.handlers[number] = signal.signal(number, self._stop)
        if self.path.exists():
            restore(runner, load_state(self.path))
            runner.logger.info(f"resumed at iteration {runner.iter}")
        self.saved_at = time.monotonic()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        loop = runner.train_loop
        if batch_idx + 1 == loop.steps_per_epoch:
            return  # the epoch's end, a moment away, saves what its hooks have done as well
        due = time.monotonic() - self.saved_at >= self.interval
        if due or self.stopped_by:
            self._save(runner, loop.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        self._save(runner, runner.train_loop.iter)

    def after_train(self, runner: Any) -> None:
        self._restore_handlers()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by = signal.Signals(number).name

    def _restore_handlers(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def _save(self, runner: Any, iteration: int) -> None:
        save_state(self.path, capture(runner, iteration))
        self.saved_at = time.monotonic()
        if self.stopped_by:
            self._restore_handlers()
            runner.logger.warning(f"stopped by {self.stopped_by} after iteration {iteration}; run again to resume")
            raise SystemExit(RESUMABLE)


@HOOKS.register_module()
class HistoryHook(Hook):
    """Keep the mean of each loss term per epoch in the loop's history."""

    priority = "NORMAL"

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        terms = {name: value for name, value in (outputs or {}).items() if "loss" in name or "acc" in name}
        runner.train_loop.note({name: torch.as_tensor(value).detach().item() for name, value in terms.items()})

    def after_train_epoch(self, runner: Any) -> None:
        record = runner.train_loop.close_epoch()
        runner.logger.info("epoch " + ", ".join(f"{name} {value:.4g}" for name, value in record.items()))


def capture(runner: Any, iteration: int) -> dict[str, Any]:
    """Everything that the rest of a training depends on, after `iteration` finished iterations."""
    loop: ResumableTrainLoop = runner.train_loop
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
    }


def restore(runner: Any, state: dict[str, Any]) -> None:
    """Put a runner where `capture` found it."""
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
    loop.seconds = state["seconds"]


def _schedulers(runner: Any) -> dict[str, list]:
    schedulers = runner.param_schedulers or {}
    return schedulers if isinstance(schedulers, dict) else {"all": schedulers}


def _parameter_names(runner: Any) -> dict[str, list[str]]:
    """Names of the parameters of each optimizer, in its order: its state refers to them by position."""
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    wrapper = runner.optim_wrapper
    parts = wrapper.items() if isinstance(wrapper, OptimWrapperDict) else [("all", wrapper)]
    return {part: [names[id(p)] for group in inner.param_groups for p in group["params"]] for part, inner in parts}
