"""The interface of selectors."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mmengine.registry import Registry

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace

SELECTORS = Registry("selector")


@dataclass(frozen=True)
class SelectionTask:
    """What a selector chooses from, and for what cost.

    Attributes:
        space: The search space.
        target: Cost of the searched network.
        measure: Returns the cost of a network, in the unit of `target`.
        seed: Seed of the search that the network is compared with.
        draw: Number of the draw with this seed, from 1.
    """

    space: SearchSpace
    target: float
    measure: Callable[[Genotype], float]
    seed: int
    draw: int = 1

    def generator(self) -> np.random.Generator:
        """Return a new random generator for this seed and draw."""
        return np.random.default_rng(self.seed if self.draw == 1 else (self.seed, self.draw))

    def distance(self, genotype: Genotype) -> float:
        """Return the relative distance of a network's cost from the target."""
        return abs(self.measure(genotype) / self.target - 1)


class Selector(ABC):
    """A way to choose a network."""

    @abstractmethod
    def select(self, task: SelectionTask) -> Genotype:
        """Return a network of the task's space with about the task's cost."""
