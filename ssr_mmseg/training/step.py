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
    losses = forward_backward(model, preprocess(model, batch, wrapper), wrapper, objective)
    update(wrapper)
    return losses


def preprocess(model: BaseModel, batch: Any, wrapper: OptimWrapper) -> dict[str, Any]:
    """Return a batch as the model takes it: `inputs` (B, 3, H, W), and `data_samples`."""
    with wrapper.optim_context(model):
        return model.data_preprocessor(batch, training=True)


def forward_backward(
    model: BaseModel, data: dict[str, Any], wrapper: OptimWrapper, objective: Objective | None = None
) -> dict[str, Tensor]:
    """Compute the losses of a preprocessed batch and the gradients; return what `train_step` returns."""
    with wrapper.optim_context(model):
        loss, terms = model.parse_losses(model(**data, mode="loss"))
    if objective is not None:
        loss, terms = objective(loss)
    wrapper.backward(wrapper.scale_loss(loss))
    return {"loss": loss.detach(), **{name: value.detach() for name, value in terms.items() if name != "loss"}}


def update(wrapper: OptimWrapper) -> None:
    """Update the parameters by their gradients, and remove the gradients."""
    if wrapper.should_update():
        distributed.average_gradients(p for group in wrapper.param_groups for p in group["params"])
        wrapper.step()
        wrapper.zero_grad()
