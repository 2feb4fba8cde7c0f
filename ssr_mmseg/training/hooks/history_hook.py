"""Hook that records the mean loss terms of each epoch."""

from typing import Any

import torch
from mmengine import dist
from mmseg.registry import HOOKS

from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.training.history import History
from ssr_mmseg.training.hooks.any_loop import HISTORY, INTERVAL, PeriodHook, is_iteration_based
from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError

PENDING = "history_pending"  # sums and count of the current period, in the message hub of a checkpoint


@HOOKS.register_module()
class HistoryHook(PeriodHook):
    """Record the mean of each loss term per epoch, in the message hub and in the log.

    `runner.message_hub.get_info("history")` is the list of records. A record has the number of its `epoch`, from 1, or
    of its last `iteration` in an iteration-based training, and the mean of every output of the training step whose name
    contains "loss" or "acc". Other hooks add to the last record.

    Both `StateHook` and mmengine's `CheckpointHook` save the history.

    Args:
        interval: Iterations per record of an iteration-based training, which has no epochs; by default it has a single
            record. Trainings with epochs ignore it.

    Raises:
        UserError: A term is NaN or infinite. Terms on a GPU are read when progress is reported, at the end of the
            epoch, and before every save, so that nothing is saved after that.
    """

    priority = "NORMAL"

    def __init__(self, interval: int | None = None) -> None:
        self.period = interval
        self.history = History()

    def before_train(self, runner: Any) -> None:
        hub, state = runner.message_hub, History().state()
        if runner.iter:  # mmengine has resumed; otherwise the hub may have records of an earlier run in this process
            state |= {"records": hub.get_info(HISTORY, []), **hub.get_info(PENDING, {})}
        with state_needed("the checkpoint to resume from"):
            self.history.load(state)
        hub.update_info(HISTORY, self.history.records)
        hub.update_info(INTERVAL, self.period, resumed=False)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        terms = {name: value for name, value in (outputs or {}).items() if "loss" in name or "acc" in name}
        epoch = None if is_iteration_based(runner) else runner.epoch + 1
        self.history.note(mean_terms(terms), runner.iter + 1, epoch)
        super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def after_period(self, runner: Any, done: int) -> None:
        if is_iteration_based(runner):
            if not self.history.count:
                return  # resumed at the end of the training
            record = self.history.close(iteration=done)
        else:
            record = self.history.close(epoch=runner.epoch + 1)
        runner.logger.info(", ".join(f"{name} {value:.4g}" for name, value in record.items()))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        state = self.history.state()
        del state["records"]  # they are in the hub
        checkpoint["message_hub"]["runtime_info"][PENDING] = state
        checkpoint["message_hub"]["resumed_keys"][PENDING] = True

    def training_state(self) -> dict[str, Any]:
        """Return the history, for the saved state; raises the same errors as the training."""
        return self.history.state()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore a saved history."""
        self.history.load(state)


def records(runner: Any) -> list[dict[str, Any]]:
    """Return the records of a training's history, from the message hub.

    Raises:
        UserError: The training has no `HistoryHook`.
    """
    history = runner.message_hub.get_info(HISTORY)
    if history is None:
        raise UserError(
            "a hook adds to the history, which HistoryHook keeps; add it to custom_hooks in the mmengine config"
        )
    return history


def mean_terms(terms: dict[str, Any]) -> dict[str, Any]:
    """Return loss terms, numbers or tensors of one element, averaged over the processes; unchanged for one process."""
    if dist.get_world_size() == 1 or not terms:
        return terms
    values = [torch.as_tensor(value).detach().float().reshape(()) for value in terms.values()]
    device = next((value.device for value in values if value.device.type != "cpu"), values[0].device)
    means = distributed.mean(torch.stack([value.to(device) for value in values]))
    return dict(zip(terms, means.unbind(), strict=True))
