"""The loss of the architecture step (method §5)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ssr_mmseg.cost import expected_macs, reference_macs
from ssr_mmseg.gates import ArchitectureParameters
from ssr_mmseg.regularizers import build_regularizer
from ssr_mmseg.search_space import GATES


class ArchitectureObjective:
    """L_α = w_CE · CE + Σ_gates w_gate · R(gate) + w_cost · (E[multiply-adds]/M₀ − t)².

    Args:
        architecture: The gates.
        weights: `cross_entropy`, `cost`, and one weight per gate for the regularizer.
        regularizer: File name of the regularizer R.
        target: t, the share of the reference cost M₀ to aim at.
        classes: Number of classes.
        size: Height and width of the network's input.
    """

    def __init__(
        self,
        architecture: ArchitectureParameters,
        weights: Mapping[str, float],
        regularizer: str,
        target: float,
        classes: int,
        size: tuple[int, int],
    ) -> None:
        self.architecture = architecture
        self.weights = weights
        self.regularizer = build_regularizer(regularizer)
        self.target = target
        self.classes = classes
        self.size = size
        self.reference = reference_macs(architecture.space, classes, size)

    def cost_ratio(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """E[multiply-adds] / M₀, a scalar."""
        return expected_macs(self.architecture.space, probabilities, self.classes, self.size) / self.reference

    def __call__(self, cross_entropy: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its terms before weighing."""
        probabilities = self.architecture.probabilities()
        alive = self.architecture.alive
        ratio = self.cost_ratio(probabilities)
        terms = {"cross_entropy": cross_entropy, "cost": (ratio - self.target) ** 2}
        for gate in GATES:
            terms[gate] = self.regularizer(self.architecture.alpha[gate], probabilities[gate], alive[gate])
        loss = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return loss, terms
