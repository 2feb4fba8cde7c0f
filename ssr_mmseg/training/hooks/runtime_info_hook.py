"""mmengine's RuntimeInfoHook for a GPU with short steps."""

from typing import Any

from mmengine.hooks import RuntimeInfoHook
from mmseg.registry import HOOKS


@HOOKS.register_module()
class UnreadLossesInfoHook(RuntimeInfoHook):
    """Do as mmengine's `RuntimeInfoHook`, except that losses are not read, which waits for the GPU at every step.

    `HistoryHook` logs their means once per epoch. Learning rates and the metrics of validation and test are noted, and
    `LoggerHook` logs them.
    """

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Read nothing."""
