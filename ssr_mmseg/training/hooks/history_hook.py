"""Hook that records the mean loss terms of each epoch."""

from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg.utils import distributed


@HOOKS.register_module()
class HistoryHook(Hook):
    """Record the mean of each loss term per epoch in the loop's history and in the log."""

    priority = "NORMAL"

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        terms = {name: value for name, value in (outputs or {}).items() if "loss" in name or "acc" in name}
        runner.train_loop.note(mean_terms(terms))

    def after_train_epoch(self, runner: Any) -> None:
        record = runner.train_loop.close_epoch()
        runner.logger.info(", ".join(f"{name} {value:.4g}" for name, value in record.items()))


def mean_terms(terms: dict[str, Any]) -> dict[str, Any]:
    """Return loss terms, numbers or tensors of one element, averaged over the processes; unchanged for one process."""
    if dist.get_world_size() == 1 or not terms:
        return terms
    values = [torch.as_tensor(value).detach().float().reshape(()) for value in terms.values()]
    device = next((value.device for value in values if value.device.type != "cpu"), values[0].device)
    means = distributed.mean(torch.stack([value.to(device) for value in values]))
    return dict(zip(terms, means.unbind(), strict=True))
