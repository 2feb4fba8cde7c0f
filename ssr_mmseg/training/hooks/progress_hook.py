"""Hook that reports progress: to `progress.json` for `ssr-mmseg status`, and as a progress bar or log lines."""

import atexit
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.jobs.progress import begin, note, read
from ssr_mmseg.training.hooks.any_loop import HISTORY, MIOU, is_iteration_based
from ssr_mmseg.training.hooks.history_hook import HistoryHook
from ssr_mmseg.training.hooks.progress_bar import Bar, line


@HOOKS.register_module()
class ProgressHook(Hook):
    """Report position, mean losses of the epoch, mIoU on val, state of the gates and time left, every few seconds.

    Losses and mIoU are reported if `HistoryHook` and `ValidationHook` measure them, further figures if the loop has
    them: `facts()` and `data_wait_share`. An iteration-based training has no epochs to report.

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
        self.cleanup = ExitStack()  # the bar, under loops that do not close it themselves

    def before_train(self, runner: Any) -> None:
        self.started = self.written = self.logged = time.monotonic()
        self.first_iteration: int | None = None
        if dist.is_main_process():
            if read(self.path).get("pid") != os.getpid():  # otherwise the command line has started it
                begin(self.path)
            if sys.stderr.isatty():
                atexit.register(self.cleanup.close)  # after an error, which calls no hook
                self.bar = getattr(runner.train_loop, "cleanup", self.cleanup).enter_context(Bar(runner.logger))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.first_iteration is None:  # not known earlier: StateHook resumes after this hook's before_train
            self.first_iteration = runner.iter
        if batch_idx == 0 or time.monotonic() - self.written >= self.interval:
            self._report(runner)

    def after_train_epoch(self, runner: Any) -> None:
        if self.first_iteration is not None:  # None if the training was resumed at its end
            self._report(runner, finished=True)

    def after_train(self, runner: Any) -> None:
        self.cleanup.close()

    def _report(self, runner: Any, finished: bool = False) -> None:
        self.written = time.monotonic()
        if not dist.is_main_process():
            return
        value = self.position(runner, finished)
        note(self.path, **value)
        if self.bar:
            self.bar.show(value)
        elif finished or self.written - self.logged >= self.pause:
            self.logged = self.written
            runner.logger.info(line(value))

    def position(self, runner: Any, finished: bool = False) -> dict[str, Any]:
        """Return the position of the training within its stage, and its figures.

        Later stages of a search count from their own first iteration.

        Args:
            finished: Whether the epoch has ended, with its losses in the history.
        """
        loop, records = runner.train_loop, runner.message_hub.get_info(HISTORY)
        first, epochs = 0, {}
        if not is_iteration_based(runner):
            earlier = 0 if records is None else runner.epoch + finished - len(records)
            first = earlier * (runner.max_iters // runner.max_epochs)
            epochs = {"epoch": runner.epoch + 1, "epochs": runner.max_epochs}
        done = runner.iter + (not finished)  # the loop counts an iteration after its hooks
        since = done - (self.first_iteration if self.first_iteration is not None else first)
        pace = (time.monotonic() - self.started) / max(since, 1)
        facts = loop.facts() if hasattr(loop, "facts") else {}
        if hasattr(loop, "data_wait_share"):
            facts["data_wait_share"] = loop.data_wait_share
        return {
            "iteration": done - first,
            "iterations": runner.max_iters - first,
            **epochs,
            "terms": _terms(runner),
            "miou_val": runner.message_hub.get_info(MIOU),
            **facts,
            "seconds_left": (runner.max_iters - done) * pace,
        }


def _terms(runner: Any) -> dict[str, float]:
    """Return the mean loss terms of the current period, or of the last one if it has just ended."""
    for hook in runner.hooks:
        if isinstance(hook, HistoryHook):
            last = hook.history.records[-1] if hook.history.records else {}
            return hook.history.means() or {name: v for name, v in last.items() if "loss" in name or "acc" in name}
    return {}
