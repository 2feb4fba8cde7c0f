"""Training step of searches and retrainings, in one process or in several data-parallel ones."""

from collections.abc import Callable
from typing import Any

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor

from ssr_mmseg.utils import distributed

Objective = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]


def train_step(model: BaseModel, batch: Any, wrapper: OptimWrapper, objective: Objective | None = None) -> dict:
    """Run forward pass, backward pass and update on one batch.

    Args:
        model: An mmseg segmentor.
        batch: A batch from the dataloader.
        wrapper: Optimizer of the parameters to update. Their gradients are averaged over the processes.
        objective: Maps the model's loss to the loss to minimize and its terms; the model's own loss by default.

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
