"""How far a training is: in `progress.json` for `ssr-mmseg status`, and as a bar on a terminal or lines of the log."""

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
    """Tell position, mean losses of the epoch, mIoU on val, the gates and the time left, every few seconds.

    Args:
        path: The file to keep up to date.
        interval: Seconds between its versions, and between two states of the bar.
        pause: Seconds between two lines of the log where there is no terminal; each epoch has one at least.
    """

    priority = "LOW"  # behind the hooks that note losses and gates, before the one that saves and may stop

    def __init__(self, path: str, interval: float = 2.0, pause: float = 60.0) -> None:
        self.path = Path(path)
        self.interval = interval
        self.pause = pause
        self.bar: Bar | None = None

    def before_train(self, runner: Any) -> None:
        self.began = self.written = self.logged = time.monotonic()
        self.begun_at: int | None = None
        if dist.is_main_process():
            if read(self.path).get("pid") != os.getpid():  # otherwise the command line has begun it
                begin(self.path)
            if sys.stderr.isatty():
                self.bar = runner.train_loop.cleanup.enter_context(Bar(runner.logger))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.begun_at is None:  # known only here: a hook behind this one may have resumed the training
            self.begun_at = runner.train_loop.iter
        if batch_idx == 0 or time.monotonic() - self.written >= self.interval:
            self._tell(runner)

    def after_train_epoch(self, runner: Any) -> None:
        if self.begun_at is not None:  # otherwise the training was resumed at its end
            self._tell(runner, finished=True)

    def _tell(self, runner: Any, finished: bool = False) -> None:
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
        """Where `loop` is within its stage: a search's later stages count from their own first iteration.

        Args:
            finished: Whether the epoch has been closed, with its losses in the history.
        """
        first = (loop.epoch + finished - len(loop.history)) * loop.steps_per_epoch
        total = loop.max_epochs * loop.steps_per_epoch
        done = loop.iter + (not finished)  # the loop counts an iteration behind its hooks
        since = done - (self.begun_at if self.begun_at is not None else first)
        pace = (time.monotonic() - self.began) / max(since, 1)
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
