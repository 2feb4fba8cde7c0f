"""mIoU on val while a training runs: to watch, never to choose by."""

import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ssr_mmseg.evaluation import evaluate_model


@HOOKS.register_module()
class ValidationHook(Hook):
    """Measure mIoU on val after the first epoch, and after later ones as far as the time for it allows.

    The last epoch is left to the evaluation that follows the training. Nothing of the training depends on it: every
    iteration is seeded by its number.

    Args:
        loader: Config of the loader of the validation images, one by one.
        classes: Class names, in the order of the label values.
        share: Part of the training time that all measurements together may take, but for the first.
    """

    priority = "BELOW_NORMAL"  # behind the shrinking: the options that were removed do not count any more

    def __init__(self, loader: dict, classes: list[str], share: float) -> None:
        self.loader = loader
        self.classes = classes
        self.share = share
        self.seconds = 0.0

    def after_train_epoch(self, runner: Any) -> None:
        loop = runner.train_loop
        if loop.epoch + 1 >= loop.max_epochs or self.seconds > self.share * loop.seconds:
            return
        began = time.monotonic()
        loop.miou = evaluate_model(runner.model, Runner.build_dataloader(self.loader), self.classes)["miou"]
        self.seconds += time.monotonic() - began
        runner.visualizer.add_scalar("miou_val", loop.miou, step=loop.iter)
