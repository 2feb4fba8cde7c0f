"""The loss of the architecture step (method §5)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.costs.base import Cost
from ssr_mmseg.search.regularizers import build_regularizer


class ArchitectureObjective:
    """L_α = w_CE · CE + Σ_gates w_gate · R(gate) + w_cost · (E[cost]/M₀ − target/M₀)², M₀ the reference cost.

    A search that is held to its target has w_hold · (E[cost]/target − 1)² in the place of the last term.

    Args:
        architecture: The gates.
        weights: `cross_entropy`, `cost`, and one weight per gate for the regularizer.
        regularizer: File name of the regularizer R.
        cost: The cost of a network, and the target to aim at.
    """

    def __init__(
        self,
        architecture: ArchitectureParameters,
        weights: Mapping[str, float],
        regularizer: str,
        cost: Cost,
    ) -> None:
        self.architecture = architecture
        self.weights = {**weights, "cost": weights["cost"] if cost.hold is None else cost.hold}
        self.regularizer = build_regularizer(regularizer)
        self.cost = cost

    @property
    def target_ratio(self) -> float:
        """The target as a share of the reference cost."""
        return self.cost.target / self.cost.reference

    def cost_ratio(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """The expected cost as a share of the reference cost, a scalar."""
        return self.cost.expected(probabilities) / self.cost.reference

    def __call__(self, cross_entropy: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its terms before weighing."""
        probabilities = self.architecture.probabilities()
        alive = self.architecture.alive
        beside = self.cost_ratio(probabilities) - self.target_ratio
        if self.cost.hold is not None:
            beside = beside / self.target_ratio
        terms = {"cross_entropy": cross_entropy, "cost": beside**2}
        for gate in GATES:
            terms[gate] = self.regularizer(self.architecture.alpha[gate], probabilities[gate], alive[gate])
        loss = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return loss, terms
