"""The two-phase step: train the weights on one batch and the architecture parameters on another (method §6)."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.training.step import train_step

ARCHITECTURE = "backbone.architecture"  # the submodule of a segmentor that holds the gates


def get_architecture(model: nn.Module) -> ArchitectureParameters:
    """Return the gates of a segmentor whose backbone is a supernet."""
    return attrgetter(ARCHITECTURE)(model)


def architecture_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of the gates, taken from the state dict of a segmentor."""
    return {name.removeprefix(f"{ARCHITECTURE}."): value for name, value in state.items() if is_architecture(name)}


def is_architecture(name: str) -> bool:
    """Whether a name in the state dict of a segmentor belongs to the gates."""
    return name.startswith(f"{ARCHITECTURE}.")


class TwoPhaseStep:
    """One iteration of a search, without the loop around it.

    In each phase the parameters of the other phase require no gradient. This changes no gradient that is used and
    saves the weight gradients of every convolution in the architecture step.

    Args:
        model: A segmentor whose backbone is a supernet.
        wrappers: The optimizers of `weights` and `architecture`.
        objective: The loss of the architecture step.
        train: `train_step`, or what does the same.
    """

    def __init__(
        self,
        model: nn.Module,
        wrappers: Mapping[str, OptimWrapper],
        objective: ArchitectureObjective,
        train: Callable[..., dict] = train_step,
    ) -> None:
        self.model, self.wrappers, self.objective, self.train = model, wrappers, objective, train
        self.architecture = get_architecture(model)
        self.weights = [p for name, p in model.named_parameters() if not is_architecture(name)]

    def __call__(self, weight_batch: Any, architecture_batch: Any) -> dict:
        """Run a weight step and, while a gate is undecided, an architecture step; return the losses of both."""
        losses = self.learn_weights(weight_batch)
        return losses if self.architecture.decided else losses | self.learn_architecture(architecture_batch)

    def learn_weights(self, batch: Any) -> dict:
        """Update the weights; return `loss_weights` and `acc_seg`."""
        self._learn(weights=True)
        losses = self.train(self.model, batch, self.wrappers["weights"])
        return {"loss_weights": losses["loss"], "acc_seg": losses["decode.acc_seg"]}

    def learn_architecture(self, batch: Any) -> dict:
        """Update α; return `loss_architecture` and a `loss_…` for each of its terms."""
        self._learn(weights=False)
        losses = self.train(self.model, batch, self.wrappers["architecture"], self.objective)
        return {"loss_architecture": losses.pop("loss"), **{f"loss_{name}": value for name, value in losses.items()}}

    def _learn(self, weights: bool) -> None:
        for parameter in self.weights:
            parameter.requires_grad_(weights)
        self.architecture.requires_grad_(not weights)
