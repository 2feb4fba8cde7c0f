"""Interface of search costs: the cost of a genotype, its expectation under the gates, and the target."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from mmengine.registry import Registry
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import DIMENSIONS, GATES, SearchSpace
from ssr_mmseg.utils.errors import UserError

COSTS = Registry("cost")
TOLERANCE = 0.1  # relative distance from the target at which a search may end


class Cost(ABC):
    """A cost of the networks of one space, for one image of one size.

    A subclass takes the keys of the section `search.cost` as arguments, among them one target, called `target` or
    `target_UNIT`, and `hold`. The caller adds `space`, `classes`, `size` (height and width of the network's input) and
    `table` (path of the latency table, or None).

    Attributes:
        unit: Unit of all values.
        target: Cost that the search should reach, in `unit`.
        reference: Cost of every block at full width and resolution 1, the denominator of cost ratios.
        digest: Digest of the measurements that the cost uses; empty if it uses none.

    Args:
        space: The search space.
        hold: Weight of the cost term that holds the search to its target; None for the paper's term, which only aims
            at it.
    """

    unit: ClassVar[str]
    target: float
    reference: float
    digest: str = ""

    def __init__(self, space: SearchSpace, hold: float | None = None) -> None:
        self.space, self.hold = space, hold

    @abstractmethod
    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Return the mean cost of the networks drawn from the gates, a scalar with gradients.

        With one-hot gates it equals `of` the network that they choose.

        Args:
            probabilities: Probabilities per gate, as `ArchitectureParameters.probabilities` returns them.
        """

    @abstractmethod
    def of(self, genotype: Genotype) -> float:
        """Return the cost of a network.

        Raises:
            UserError: The network is not in the space.
        """

    def check_reach(self) -> None:
        """Check that the target is between the costs of the cheapest and the most expensive network of the space.

        A search of only some dimensions, as in the ablation, is not checked: it comes as near as it can.

        Raises:
            UserError: The target is out of reach.
        """
        if set(self.space.searched) != set(DIMENSIONS):
            return
        low, high = map(self.of, extremes(self.space, self.of))
        if self.target < low / (1 + TOLERANCE):
            name, bound, remedy = "cheapest", low, "raise the target, or make blocks narrower or fewer"
        elif self.target > high / (1 - TOLERANCE):
            name, bound, remedy = "most expensive", high, "lower the target, or make blocks wider or more"
        else:
            return
        raise UserError(
            f"the target of search.cost, {self.target:.4g} {self.unit}, is out of reach: the {name} network of the "
            f"space costs {bound:.4g} {self.unit}; {remedy} in search.space"
        )


def extremes(space: SearchSpace, cost: Callable[[Genotype], float]) -> tuple[Genotype, Genotype]:
    """Return the cheapest and the most expensive network with the least or most depth and width and one operator."""
    least = {gate: space.allowed(gate).argmax(axis=-1) for gate in GATES}
    most = {gate: space.gate_shape(gate)[-1] - 1 - space.allowed(gate)[..., ::-1].argmax(axis=-1) for gate in GATES}

    def every_operator(choice: dict[str, np.ndarray]) -> list[Genotype]:
        options = np.flatnonzero(space.allowed("operator")[0])
        return [build_genotype(space, {**choice, "operator": np.full_like(choice["operator"], o)}) for o in options]

    return min(every_operator(least), key=cost), max(every_operator(most), key=cost)
