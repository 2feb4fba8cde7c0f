"""The loss of the architecture step (method §5)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.costs.base import Cost
from ssr_mmseg.search.regularizers import build_regularizer
from ssr_mmseg.utils.errors import UserError

TERMS = ("cross_entropy", "cost", *GATES)


class ArchitectureObjective:
    """L_α = w_CE · CE + Σ_gates w_gate · R(gate) + w_cost · (E[cost]/M₀ − target/M₀)², M₀ the reference cost.

    With `hold` set, the last term is w_hold · (E[cost]/target − 1)².

    The weights are also kept in a tensor next to the gates, so that recorded passes (`GraphHook`) read new ones.

    Args:
        architecture: The gates.
        weights: `cross_entropy`, `cost`, and one weight per gate for the regularizer.
        regularizer: The regularizer R, as `build_regularizer` takes it.
        cost: The cost of a network, with its target.

    Raises:
        UserError: A gate has no weight, or the regularizer is unknown.
    """

    def __init__(
        self,
        architecture: ArchitectureParameters,
        weights: Mapping[str, float],
        regularizer: str | Mapping[str, Any],
        cost: Cost,
    ) -> None:
        missing = [gate for gate in GATES if gate not in weights]
        if missing:
            raise UserError(
                f"the objective has no weight for gate {', '.join(missing)}; add it to train_cfg.objective in the "
                "mmengine config"
            )
        self.architecture = architecture
        self._factors = next(architecture.parameters()).detach().new_empty(len(TERMS))
        self.weights = {**weights, "cost": weights["cost"] if cost.hold is None else cost.hold}
        self.regularizer = build_regularizer(regularizer)
        self.cost = cost

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the terms; assign a new mapping to change them, which synchronizes with the GPU."""
        return dict(self._weights)

    @weights.setter
    def weights(self, weights: Mapping[str, float]) -> None:
        self._weights = dict(weights)
        self._factors.copy_(torch.tensor([weights[name] for name in TERMS], dtype=self._factors.dtype))

    @property
    def target_ratio(self) -> float:
        """Target as a share of the reference cost."""
        return self.cost.target / self.cost.reference

    def cost_ratio(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Return the expected cost as a share of the reference cost, a scalar."""
        return self.cost.expected(probabilities) / self.cost.reference

    def __call__(self, cross_entropy: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and its unweighted terms."""
        probabilities = self.architecture.probabilities()
        alive = self.architecture.alive
        difference = self.cost_ratio(probabilities) - self.target_ratio
        if self.cost.hold is not None:
            difference = difference / self.target_ratio
        terms = {"cross_entropy": cross_entropy, "cost": difference**2}
        for gate in GATES:
            terms[gate] = self.regularizer(self.architecture.alpha[gate], probabilities[gate], alive[gate])
        return (self._factors * torch.stack([terms[name] for name in TERMS])).sum(), terms
