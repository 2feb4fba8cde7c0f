"""Hook that reports progress: to `progress.json` for `ssr-mmseg status`, and as a progress bar or log lines."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.jobs.progress import begin, note, read
from ssr_mmseg.training.hooks.progress_bar import Bar, line


@HOOKS.register_module()
class ProgressHook(Hook):
    """Report position, mean losses of the epoch, mIoU on val, state of the gates and time left, every few seconds.

    Args:
        path: The progress file.
        interval: Seconds between updates of the file and of the progress bar.
        pause: Seconds between log lines without a terminal; there is at least one per epoch.
    """

    priority = "LOW"  # after the hooks that record losses and gates, before the one that saves and may stop

    def __init__(self, path: str, interval: float = 2.0, pause: float = 60.0) -> None:
        self.path = Path(path)
        self.interval = interval
        self.pause = pause
        self.bar: Bar | None = None

    def before_train(self, runner: Any) -> None:
        self.started = self.written = self.logged = time.monotonic()
        self.first_iteration: int | None = None
        if dist.is_main_process():
            if read(self.path).get("pid") != os.getpid():  # otherwise the command line has started it
                begin(self.path)
            if sys.stderr.isatty():
                self.bar = runner.train_loop.cleanup.enter_context(Bar(runner.logger))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.first_iteration is None:  # not known earlier: StateHook resumes after this hook's before_train
            self.first_iteration = runner.train_loop.iter
        if batch_idx == 0 or time.monotonic() - self.written >= self.interval:
            self._report(runner)

    def after_train_epoch(self, runner: Any) -> None:
        if self.first_iteration is not None:  # None if the training was resumed at its end
            self._report(runner, finished=True)

    def _report(self, runner: Any, finished: bool = False) -> None:
        self.written = time.monotonic()
        if not dist.is_main_process():
            return
        value = self.position(runner.train_loop, finished)
        note(self.path, **value)
        if self.bar:
            self.bar.show(value)
        elif finished or self.written - self.logged >= self.pause:
            self.logged = self.written
            runner.logger.info(line(value))

    def position(self, loop: Any, finished: bool = False) -> dict[str, Any]:
        """Return the position of `loop` within its stage, and its figures.

        Later stages of a search count from their own first iteration.

        Args:
            finished: Whether the epoch has ended, with its losses in the history.
        """
        first = (loop.epoch + finished - len(loop.history)) * loop.steps_per_epoch
        total = loop.max_epochs * loop.steps_per_epoch
        done = loop.iter + (not finished)  # the loop counts an iteration after its hooks
        since = done - (self.first_iteration if self.first_iteration is not None else first)
        pace = (time.monotonic() - self.started) / max(since, 1)
        means = {name: value / max(loop.count, 1) for name, value in loop.sums.items()}
        last = loop.history[-1] if finished else {}
        return {
            "iteration": done - first,
            "iterations": total - first,
            "epoch": loop.epoch + 1,
            "epochs": loop.max_epochs,
            "terms": means or {name: value for name, value in last.items() if "loss" in name or "acc" in name},
            "miou_val": loop.miou,
            **loop.facts(),
            "seconds_left": (total - done) * pace,
            "data_wait_share": loop.data_wait_share,
        }
