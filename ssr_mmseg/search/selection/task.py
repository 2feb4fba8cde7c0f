"""The task of a selector: what it chooses from, for what cost, and in what time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.search.selection.candidates import Candidates
from ssr_mmseg.search.selection.draws import Draws, draw_near
from ssr_mmseg.search.selection.trained_supernet import TrainedSupernet


@dataclass(frozen=True)
class SelectionTask:
    """What a selector chooses from, for what cost, and in what time.

    Attributes:
        space: The search space.
        target: Cost of the searched network.
        measure: Returns the cost of a network, in the unit of `target`.
        seed: Seed of the search that the network is compared with.
        draw: Number of the draw with this seed, from 1.
        budget: Training time of that search, in seconds.
        train: Trains a network for a share of the epochs of its retraining; returns its mIoU on val in percent, and the
            seconds that this took.
        load_supernet: Loads the supernet that `Selector.supernet` names.
        candidates: The candidates measured so far, and the time that they took.
    """

    space: SearchSpace
    target: float
    measure: Callable[[Genotype], float]
    seed: int
    draw: int
    budget: float
    train: Callable[[Genotype, float], tuple[float, float]]
    load_supernet: Callable[[], TrainedSupernet]
    candidates: Candidates

    def generator(self) -> np.random.Generator:
        """Return a new random generator for this seed and draw."""
        return np.random.default_rng(self.seed if self.draw == 1 else (self.seed, self.draw))

    def distance(self, genotype: Genotype) -> float:
        """Return the relative distance of a network's cost from the target."""
        return abs(self.measure(genotype) / self.target - 1)

    def draws(self, generator: np.random.Generator) -> Draws:
        """Return random networks whose mean cost is the target."""
        return Draws(self.space, self.measure, self.target, generator)

    def draw_network(self, draws: Draws, near: float, attempts: int = 2000, comment: str = "") -> Genotype:
        """Return a random network of the target's cost: see `draw_near`."""
        return draw_near(draws, self.distance, near, attempts, comment)
