"""One training step, the same for searches and retrainings, alone or in data-parallel processes."""

from collections.abc import Callable
from typing import Any

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor

from ssr_mmseg.utils import distributed

Objective = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]


def train_step(model: BaseModel, batch: Any, wrapper: OptimWrapper, objective: Objective | None = None) -> dict:
    """Forward, backward and update on one batch.

    Args:
        model: An mmseg segmentor.
        batch: What a dataloader gives.
        wrapper: The optimizer of the parameters to update. Its gradients are averaged over the processes.
        objective: Turns the model's loss into the loss to minimise and its terms; the model's own loss by default.

    Returns:
        The loss as `loss`, and the model's log variables or the objective's terms, all detached.
    """
    with wrapper.optim_context(model):
        data = model.data_preprocessor(batch, training=True)
        loss, terms = model.parse_losses(model(**data, mode="loss"))
    if objective is not None:
        loss, terms = objective(loss)
    wrapper.backward(wrapper.scale_loss(loss))
    if wrapper.should_update():
        distributed.average_gradients(p for group in wrapper.param_groups for p in group["params"])
        wrapper.step()
        wrapper.zero_grad()
    return {"loss": loss.detach(), **{name: value.detach() for name, value in terms.items() if name != "loss"}}
