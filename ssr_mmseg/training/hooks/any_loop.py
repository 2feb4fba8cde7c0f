"""What the hooks share to run under any of mmengine's training loops."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop
from torch import nn

HISTORY = "history"  # list of records in the message hub, kept by HistoryHook
INTERVAL = "history_interval"  # iterations per record in the message hub, of an iteration-based training
MIOU = "miou_val"  # last measured mIoU on val in the message hub and in records, in percent


class PeriodHook(Hook):
    """A hook that acts after every period: an epoch or, in an iteration-based training, a number of iterations.

    mmengine counts an iteration-based training as one epoch. Its last period ends with the training, and may be
    shorter.

    Attributes:
        period: Iterations per period of an iteration-based training; None for those of `HistoryHook`, without which
            the training is one period.
    """

    period: int | None = None

    def after_period(self, runner: Any, done: int) -> None:
        """Act at the end of a period, after `done` iterations of the training."""
        raise NotImplementedError

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if is_iteration_based(runner):
            length = self._length(runner)
            if length and (runner.iter + 1) % length == 0:
                self.after_period(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        length = self._length(runner) if is_iteration_based(runner) else None
        if not length or runner.iter % length:
            self.after_period(runner, runner.iter)

    def _length(self, runner: Any) -> int | None:
        return self.period or runner.message_hub.get_info(INTERVAL)


def is_iteration_based(runner: Any) -> bool:
    """Whether the training has iterations only, and no epochs."""
    return isinstance(runner.train_loop, IterBasedTrainLoop)


def bare_model(runner: Any) -> nn.Module:
    """Return the runner's model without the wrapper that mmengine adds for distributed training."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
