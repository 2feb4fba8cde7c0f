"""The two-phase step: weights learn on one batch, architecture parameters on another (method §6)."""

from collections.abc import Mapping
from typing import Any, cast

from mmengine.optim import OptimWrapper
from torch import nn

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.training.step import train_step


def architecture_of(model: nn.Module) -> ArchitectureParameters:
    """The gates of a segmentor whose backbone is a supernet."""
    return cast(ArchitectureParameters, cast(SSRSupernet, model.backbone).architecture)


def is_architecture(name: str) -> bool:
    """Whether a parameter of a segmentor, by its name, is an architecture parameter."""
    return ".architecture." in f".{name}"


class TwoPhaseStep:
    """One iteration of a search, whoever loops over it.

    In each phase the other half of the parameters needs no gradient. That changes no gradient that is used, and saves
    the weight gradients of every convolution in the architecture step.

    Args:
        model: A segmentor whose backbone is a supernet.
        wrappers: The optimizers of `weights` and `architecture`.
        objective: The loss of the architecture step.
    """

    def __init__(
        self, model: nn.Module, wrappers: Mapping[str, OptimWrapper], objective: ArchitectureObjective
    ) -> None:
        self.model, self.wrappers, self.objective = model, wrappers, objective
        self.architecture = architecture_of(model)
        self.weights = [p for name, p in model.named_parameters() if not is_architecture(name)]

    def __call__(self, weight_batch: Any, architecture_batch: Any) -> dict:
        """A weight step and, while a gate is undecided, an architecture step; the losses of both."""
        found = self.learn_weights(weight_batch)
        return found if self.architecture.decided else found | self.learn_architecture(architecture_batch)

    def learn_weights(self, batch: Any) -> dict:
        """Update the weights; returns `loss_weights` and `acc_seg`."""
        self._learn(weights=True)
        losses = train_step(self.model, batch, self.wrappers["weights"])
        return {"loss_weights": losses["loss"], "acc_seg": losses["decode.acc_seg"]}

    def learn_architecture(self, batch: Any) -> dict:
        """Update α; returns `loss_architecture` and a `loss_…` for each of its terms."""
        self._learn(weights=False)
        losses = train_step(self.model, batch, self.wrappers["architecture"], self.objective)
        return {"loss_architecture": losses.pop("loss"), **{f"loss_{name}": value for name, value in losses.items()}}

    def _learn(self, weights: bool) -> None:
        for parameter in self.weights:
            parameter.requires_grad_(weights)
        self.architecture.requires_grad_(not weights)
