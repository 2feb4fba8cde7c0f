"""Hook that measures mIoU on val during a training, to monitor it; never used for model selection."""

import time
from typing import Any

from mmengine import dist
from mmseg.registry import HOOKS

from ssr_mmseg.training.hooks.any_loop import HISTORY, MIOU, PeriodHook, is_iteration_based
from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError


@HOOKS.register_module()
class ValidationHook(PeriodHook):
    """Measure mIoU on val after the first epoch, and after later ones as long as this takes little time.

    The last epoch is not measured, because an evaluation follows the training. With an `interval`, mIoU is measured
    after every `interval`-th epoch instead, regardless of the time, and recorded in the history as `miou_val`, which
    gives a learning curve. In an iteration-based training, the interval is in iterations, and should be a multiple of
    the history's; without it mIoU can be measured after each of the history's records.

    mmengine's `ValLoop` measures, with the runner's `val_dataloader`, `val_cfg` and `val_evaluator`, so `AverageHook`
    gives it the averaged weights. All data-parallel processes need this hook: they measure their part of the images
    when the first process decides to. mIoU is in percent, rounded by mmseg to two digits, in the message hub as
    `miou_val`. With neither argument the hook starts no validation, and only records those that the loop starts.

    With this project's loops, a training does not depend on any of this, because every iteration is seeded by its
    number.

    Args:
        share: Fraction of the training time that all measurements together may take, except the first.
        interval: Epochs between measurements, or iterations in an iteration-based training; by default `share` decides.

    Raises:
        UserError: At the start of the training, if the runner has no validation; later, if it does not measure mIoU.
    """

    priority = "BELOW_NORMAL"  # after HistoryHook and after shrinking, so that removed options do not count

    def __init__(self, share: float = 0.0, interval: int | None = None) -> None:
        self.share = share
        self.interval = self.period = interval
        self.seconds = 0.0  # spent on all measurements
        self.done: int | None = None  # iterations before the measurement in progress; None if it is the loop's

    def before_train(self, runner: Any) -> None:
        if runner.val_loop is None:
            raise UserError(
                "ValidationHook needs a validation: set val_dataloader, val_cfg and val_evaluator in the config, "
                "or leave the hook out"
            )
        runner.message_hub.update_info(MIOU, None, resumed=False)
        self.started = time.monotonic()

    def after_period(self, runner: Any, done: int) -> None:
        device = next(runner.model.parameters()).device
        if not distributed.any_process(dist.is_main_process() and self._is_due(runner, done), device):
            return
        started, self.done = time.monotonic(), done
        runner.val_loop.run()
        runner.model.train()
        self.done = None
        self.seconds += time.monotonic() - started

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        values = [value for name, value in (metrics or {}).items() if name.split("/")[-1] == "mIoU"]
        if not values:
            raise UserError("the validation does not measure mIoU: set val_evaluator to dict(type='IoUMetric')")
        miou, done = float(values[0]), runner.iter if self.done is None else self.done
        runner.message_hub.update_info(MIOU, miou, resumed=False)
        runner.visualizer.add_scalar(MIOU, miou, step=done)
        history = runner.message_hub.get_info(HISTORY)
        # measurements made because there was time are not recorded: they would differ from one training to the next
        if history and (self.interval or self.done is None) and history[-1].get("iteration", done) == done:
            history[-1][MIOU] = miou

    def _is_due(self, runner: Any, done: int) -> bool:
        if self.interval:
            return is_iteration_based(runner) or (runner.epoch + 1) % self.interval == 0
        training = time.monotonic() - self.started - self.seconds
        return self.share > 0 and done < runner.max_iters and self.seconds <= self.share * training
