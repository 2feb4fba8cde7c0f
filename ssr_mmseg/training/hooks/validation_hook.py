"""Hook that measures mIoU on val during a training, to monitor it; never used for model selection."""

import time
from contextlib import nullcontext
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.training.hooks.ema_hook import AverageHook


@HOOKS.register_module()
class ValidationHook(Hook):
    """Measure mIoU on val after the first epoch, and after later ones as long as this takes little time.

    The last epoch is not measured, because an evaluation follows the training. With an `interval`, mIoU is measured
    after every `interval`-th epoch instead, regardless of the time, and recorded in the history as `miou_val`, which
    gives a learning curve. If weights are averaged, the average is measured. The training does not depend on any of
    this, because every iteration is seeded by its number.

    Args:
        loader: Config of the loader of the validation images, one by one.
        classes: Class names, in the order of the label values.
        share: Fraction of the training time that all measurements together may take, except the first.
        interval: Epochs between measurements; by default `share` decides.
    """

    priority = "BELOW_NORMAL"  # after HistoryHook and after shrinking, so that removed options do not count

    def __init__(self, loader: dict, classes: list[str], share: float, interval: int | None = None) -> None:
        self.loader = loader
        self.classes = classes
        self.share = share
        self.interval = interval
        self.seconds = 0.0

    def after_train_epoch(self, runner: Any) -> None:
        loop = runner.train_loop
        if not self._is_due(loop):
            return
        started = time.monotonic()
        averages = [hook for hook in runner.hooks if isinstance(hook, AverageHook)]
        with averages[0].applied() if averages else nullcontext():
            loop.miou = evaluate_model(runner.model, Runner.build_dataloader(self.loader), self.classes)["miou"]
        self.seconds += time.monotonic() - started
        runner.visualizer.add_scalar("miou_val", loop.miou, step=loop.iter)
        if self.interval:
            loop.history[-1]["miou_val"] = loop.miou

    def _is_due(self, loop: Any) -> bool:
        if self.interval:
            return (loop.epoch + 1) % self.interval == 0
        return loop.epoch + 1 < loop.max_epochs and self.seconds <= self.share * loop.seconds
