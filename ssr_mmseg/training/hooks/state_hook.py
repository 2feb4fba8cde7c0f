"""Hook that saves the state of a training and resumes from it."""

import time
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.training.checkpoint.runner_state import capture, not_finite, restore
from ssr_mmseg.training.history import diverged
from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError

SAVING = 0.05  # share of the time that saves at the end of epochs may take


@HOOKS.register_module()
class StateHook(Hook):
    """Resume from `path` if it exists; save to it after every epoch, every `interval` seconds, and when stopped.

    An epoch does not save if saves would then take more than 5 % of the time.

    A stop takes effect after the current iteration; see `ssr_mmseg.jobs.preemption` for what stops a process. A state
    with a NaN or an infinity is never saved.

    Only the loops of this project can start at any iteration; other trainings use mmengine's `CheckpointHook`.

    Args:
        path: The state file; the previous state is kept in the same folder.
        interval: Seconds between saves within an epoch.
        origin: What identifies the training; a state that says another one is refused.

    Raises:
        UserError: At the start of a training by another loop.
    """

    priority = (
        "LOWEST"  # after shrinking and schedulers, so that the state at the end of an epoch includes their effects
    )

    def __init__(self, path: str, interval: float = 600.0, origin: dict[str, Any] | None = None) -> None:
        self.checkpoints = Checkpoints(Path(path), origin)
        self.interval = interval
        self.rest = 0.0  # seconds after a save during which the end of an epoch does not save
        self.saved = -1  # number of iterations at the last save

    def before_train(self, runner: Any) -> None:
        if not hasattr(runner.train_loop, "start_at"):
            loop = type(runner.train_loop).__name__
            raise UserError(
                f"StateHook can resume a ResumableTrainLoop but no {loop}; "
                "leave it out, and use mmengine's CheckpointHook and resume=True"
            )
        with distributed.main_process_first():  # because loading removes damaged files
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
            return  # after_train_epoch runs next and saves the state with the effects of the epoch hooks
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
            began = time.monotonic()
            if dist.is_main_process():
                self._write(runner, iteration)
            self.rest = (time.monotonic() - began) / SAVING
            self.saved, self.saved_at = iteration, time.monotonic()
        if reason:
            runner.logger.warning(f"stopped by {reason} after iteration {iteration}; run again to resume")
            raise preemption.Stopped(reason)

    def _write(self, runner: Any, iteration: int) -> None:
        state = capture(runner, iteration)
        bad = next(not_finite({part: state[part] for part in ("model", "optimizers")}), None)
        if bad:
            epoch = (iteration - 1) // runner.train_loop.steps_per_epoch + 1
            raise diverged(f"{bad} is not finite", iteration, epoch)
        self.checkpoints.save(state)


def checkpoints_of(runner: Any) -> Checkpoints:
    """Return the states of a runner, which has a `StateHook`."""
    return next(hook.checkpoints for hook in runner.hooks if isinstance(hook, StateHook))


def reason_to_stop(runner: Any) -> str | None:
    """Return why to stop after this iteration, or None; a signal to one data-parallel process stops all of them."""
    reason = preemption.requested()
    if dist.get_world_size() == 1:
        return reason
    together = distributed.any_process(reason is not None, next(runner.model.parameters()).device)
    return reason or ("another process's signal" if together else None)
