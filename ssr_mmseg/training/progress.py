"""How far a training is: in `progress.json` for `ssr-mmseg status`, and as a line on a terminal."""

import sys
import time
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.files import write_json


@HOOKS.register_module()
class ProgressHook(Hook):
    """Write position, mean losses of the epoch, the gates' last state and the time left, whole, every few seconds.

    Args:
        path: The file.
        interval: Seconds between writes.
    """

    priority = "LOW"  # behind the hooks that note losses and gates, before the one that saves and may stop

    def __init__(self, path: str, interval: float = 2.0) -> None:
        self.path = Path(path)
        self.interval = interval

    def before_train(self, runner: Any) -> None:
        self.began = self.written = time.monotonic()
        self.begun_at: int | None = None

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.begun_at is None:  # known only here: a hook behind this one may have resumed the training
            self.begun_at = runner.train_loop.iter
        if batch_idx == 0 or time.monotonic() - self.written >= self.interval:
            self._tell(runner.train_loop)

    def after_train(self, runner: Any) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def _tell(self, loop: Any) -> None:
        self.written = time.monotonic()
        value = self.position(loop)
        write_json(self.path, {**value, "updated": time.time()})
        if sys.stderr.isatty():
            print(f"\r{line(value)}\033[K", end="", file=sys.stderr, flush=True)

    def position(self, loop: Any) -> dict[str, Any]:
        """Where `loop` is within its stage: a search's later stages count from their own first iteration."""
        first = (loop.epoch - len(loop.history)) * loop.steps_per_epoch
        total = loop.max_epochs * loop.steps_per_epoch
        done = loop.iter + 1
        since = done - (self.begun_at if self.begun_at is not None else first)
        pace = (time.monotonic() - self.began) / max(since, 1)
        last = loop.history[-1] if loop.history else {}
        return {
            "iteration": done - first,
            "iterations": total - first,
            "epoch": loop.epoch + 1,
            "epochs": loop.max_epochs,
            "terms": {name: value / max(loop.count, 1) for name, value in loop.sums.items()},
            "options_alive": sum(last["options_alive"].values()) if "options_alive" in last else None,
            "cost_ratio": last.get("cost_ratio"),
            "seconds_left": (total - done) * pace,
        }


def line(value: dict[str, Any], width: int = 24) -> str:
    """One line with a bar: position, the first loss, the gates and the time left."""
    share = value["iteration"] / value["iterations"]
    full = round(share * width)
    told = [f"{'█' * full}{'·' * (width - full)} {share:4.0%}", f"epoch {value['epoch']}/{value['epochs']}"]
    told += [f"{name} {number:.3g}" for name, number in list(value["terms"].items())[:1]]
    if value["options_alive"] is not None:
        told.append(f"{value['options_alive']} options")
    if value["cost_ratio"] is not None:
        told.append(f"cost {value['cost_ratio']:.2f}")
    minutes, seconds = divmod(round(value["seconds_left"]), 60)
    return " · ".join([*told, f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"])
