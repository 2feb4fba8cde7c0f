"""Random networks of about a given cost."""

from collections.abc import Callable, Iterator

import numpy as np

from ssr_mmseg.architecture.genotype import Choice, Genotype, build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace

STEEPEST = 12.0  # largest weight of the sizes: draws of the smallest or largest options only
SAMPLE = 48  # networks that estimate a mean cost
HALVINGS = 10  # of the interval in which the weight lies


class Draws:
    """Random networks whose mean cost is a target.

    Every group draws an option independently, with a probability proportional to exp(t · size), where size is 0 for the
    smallest option of the group and 1 for the largest. With t = 0 the draws are uniform; t is chosen so that the mean
    cost is about the target, because uniform draws seldom or never reach one at the edge of the space.

    Args:
        space: The search space.
        cost: Cost of a network.
        target: Mean cost to reach.
        generator: Source of randomness.
    """

    def __init__(
        self, space: SearchSpace, cost: Callable[[Genotype], float], target: float, generator: np.random.Generator
    ) -> None:
        self.space, self.generator = space, generator
        self.sizes = {gate: option_sizes(space, gate) for gate in GATES}
        noises = [self._noise(np.random.default_rng(number)) for number in range(SAMPLE)]

        def mean_cost(tilt: float) -> float:
            return float(np.mean([cost(build_genotype(space, self._choose(noise, tilt))) for noise in noises]))

        low, high = -STEEPEST, STEEPEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if mean_cost(middle) < target else (low, middle)
        self.tilt = (low + high) / 2

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield choices without end."""
        while True:
            yield self._choose(self._noise(self.generator), self.tilt)

    def _noise(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {gate: generator.gumbel(size=self.space.gate_shape(gate)) for gate in GATES}

    def _choose(self, noise: Choice, tilt: float) -> dict[str, np.ndarray]:
        """Return the options with the largest tilt · size + noise, which have the probabilities of the class."""
        return {
            gate: np.where(self.space.allowed(gate), tilt * self.sizes[gate] + noise[gate], -np.inf).argmax(axis=-1)
            for gate in GATES
        }


def option_sizes(space: SearchSpace, gate: str) -> np.ndarray:
    """Return the sizes of a gate's options, from 0 to 1: those of operators follow from their resolution alone."""
    options = space.gate_shape(gate)[-1]
    if gate != "operator":
        return np.arange(options) / max(options - 1, 1)
    areas = np.array([1 / resolution**2 for _, resolution in space.operators])
    return (areas - areas.min()) / max(np.ptp(areas), np.finfo(float).tiny)


def draw_near(
    draws: Draws, distance: Callable[[Genotype], float], near: float, attempts: int, comment: str = ""
) -> Genotype:
    """Return the first network within a distance, or else the nearest of all attempts.

    Args:
        distance: Relative distance of a network's cost from the target.
        near: Distance that is near enough.
        attempts: Largest number of networks drawn.
    """
    nearest: tuple[float, Genotype] | None = None
    for _, choice in zip(range(attempts), draws, strict=False):
        genotype = build_genotype(draws.space, choice, comment)
        miss = distance(genotype)
        if nearest is None or miss < nearest[0]:
            nearest = miss, genotype
        if miss <= near:
            break
    assert nearest is not None  # there is at least one attempt
    return nearest[1]
