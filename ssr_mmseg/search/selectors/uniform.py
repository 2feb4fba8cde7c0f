"""A network that nobody searched: equal widths, and the dilations in turn."""

import itertools

import numpy as np

from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector

NEAR = 0.02  # relative distance from the target at which the deepest network is taken


@SELECTORS.register_module(name="uniform")
class UniformNetwork(Selector):
    """Blocks at resolution 1 whose dilations are those of the space in turn, starting over in each stage.

    All blocks have the same mid and the same out width, as numbers of options, at most one option apart. Of the depths
    at which such a network has about the target's cost, the greatest are taken. It is the same for all seeds and draws.
    """

    def select(self, task: SelectionTask) -> Genotype:
        best: Genotype | None = None
        for depths in _depths(task.space):
            networks = [uniform_network(task.space, depths, *widths) for widths in _widths(task.space)]
            nearest = min(networks, key=task.distance)
            if task.distance(nearest) <= NEAR:
                return nearest
            best = nearest if best is None else min(best, nearest, key=task.distance)
        assert best is not None  # a space has at least one depth
        return best


def uniform_network(space: SearchSpace, depths: tuple[int, ...], mid: int, out: int) -> Genotype:
    """Return the network of these numbers of blocks per stage, and of these options of the width gates."""
    choice = {gate: np.zeros(space.gate_shape(gate)[:-1], dtype=int) for gate in GATES}
    choice["depth"][:] = [depth - 1 for depth in depths]
    choice["mid_width"][:], choice["out_width"][:] = mid, out
    for number, (_, position) in enumerate(space.blocks):
        dilation = space.dilations[position % len(space.dilations)]
        choice["operator"][number] = space.operators.index((dilation, 1))
    return build_genotype(space, choice, "equal widths, dilations in turn")


def _depths(space: SearchSpace) -> list[tuple[int, ...]]:
    """Return all depths of the stages, the greatest sum first, then the most balanced shares of what is possible."""
    most = [stage.blocks for stage in space.stages]
    grid = itertools.product(*(range(1, blocks + 1) for blocks in most))

    def order(depths: tuple[int, ...]) -> tuple[int, float]:
        shares = [depth / blocks for depth, blocks in zip(depths, most, strict=True)]
        return -sum(depths), max(shares) - min(shares)

    return sorted(grid, key=order)


def _widths(space: SearchSpace) -> list[tuple[int, int]]:
    options = range(space.width_options)
    return [(mid, out) for mid in options for out in options if abs(mid - out) <= 1]
