"""The interface of a cost: of a network, expected under gates, and aimed at."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, genotype_of
from ssr_mmseg.architecture.search_space import DIMENSIONS, GATES, SearchSpace
from ssr_mmseg.utils.errors import UserError

TOLERANCE = 0.1  # share of the target that a search may end beside it


class Cost(ABC):
    """A cost of networks of one space, for one image of one size.

    Attributes:
        space: The search space.
        unit: Of all its figures.
        target: What a search shall end with.
        reference: Cost of every block at full width and resolution 1, to show shares of.
        hold: Weight of the cost term that holds the search to its target; None for the paper's term, which aims at it.
        digest: Names the content of what was measured for it; empty where nothing was.
    """

    unit: ClassVar[str]
    space: SearchSpace
    target: float
    reference: float
    hold: float | None = None
    digest: str = ""

    @abstractmethod
    def __init__(
        self, cost: dict, space: SearchSpace, classes: int, size: tuple[int, int], table: Path | str | None = None
    ) -> None:
        """Take the section `search.cost`, with a single target, and what a network's cost depends on.

        Args:
            cost: The section.
            classes: Number of classes.
            size: Height and width of the network's input.
            table: Latency table, for a kind that needs one.

        Raises:
            UserError: the table is missing or does not fit.
        """

    @abstractmethod
    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Mean cost of the networks drawn from the gates, a scalar with gradients.

        With one-hot gates it is `of` the network that they choose.

        Args:
            probabilities: Of the gates, as `ArchitectureParameters.probabilities` gives them.
        """

    @abstractmethod
    def of(self, genotype: Genotype) -> float:
        """Cost of a network.

        Raises:
            UserError: the network is not of the space.
        """

    def check_reach(self) -> None:
        """Raise `UserError` unless the target lies between the cheapest and the dearest network of the space.

        A search of some dimensions alone, as the ablation has, takes what it can get.
        """
        if set(self.space.searched) != set(DIMENSIONS):
            return
        low, high = (self.of(genotype) for genotype in extremes(self.space, self))
        for bound, beyond, name, remedy in (
            (
                low,
                self.target < low / (1 + TOLERANCE),
                "cheapest",
                "raise the target, or make blocks narrower or fewer",
            ),
            (high, self.target > high / (1 - TOLERANCE), "dearest", "lower the target, or make blocks wider or more"),
        ):
            if beyond:
                raise UserError(
                    f"the target of search.cost, {self.target:.4g} {self.unit}, is out of reach: the {name} network of "
                    f"the space comes to {bound:.4g} {self.unit}; {remedy} in search.space"
                )


def extremes(space: SearchSpace, cost: Cost) -> tuple[Genotype, Genotype]:
    """About the cheapest and the dearest network: least depth and width, or most, with whichever operator it takes."""
    least = {gate: space.allowed(gate).argmax(axis=-1) for gate in GATES}
    most = {gate: space.gate_shape(gate)[-1] - 1 - space.allowed(gate)[..., ::-1].argmax(axis=-1) for gate in GATES}

    def every_operator(choice: dict[str, np.ndarray]) -> list[Genotype]:
        options = np.flatnonzero(space.allowed("operator")[0])
        return [genotype_of(space, {**choice, "operator": np.full_like(choice["operator"], o)}) for o in options]

    return min(every_operator(least), key=cost.of), max(every_operator(most), key=cost.of)


def reference_choice(space: SearchSpace) -> dict[str, np.ndarray]:
    """The choice of every block at full width, with the first dilation and resolution 1."""
    choice = {gate: np.full(space.gate_shape(gate)[:-1], space.gate_shape(gate)[-1] - 1) for gate in GATES}
    choice["operator"][:] = space.operators.index((space.dilations[0], 1))
    choice["depth"][:] = [stage.blocks - 1 for stage in space.stages]
    return choice
