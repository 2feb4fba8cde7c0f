"""Parts of a search space that a latency table measures, each named by everything that its latency depends on.

A network consists of *blocks* and a *frame*: stem, reduction blocks, head and the upsampling to the input's size.
Frames are measured as part of the smallest whole networks, with one block per stage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ssr_mmseg.architecture.genotype import Block, Genotype, Stage, build_genotype, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.utils.errors import UserError


@dataclass(frozen=True)
class BlockPart:
    """A block with one operator, from `narrow` to `wide` channels or back, at 1/4 or 1/8 of the input.

    Widths rise as often as they fall along a network, so its latency is the mean of both directions.
    """

    stage: int
    dilation: int
    resolution: int
    narrow: int
    mid: int
    wide: int

    def name(self, size: tuple[int, int]) -> str:
        """Return its name in a table for an input of `size`: feature map, dilation, resolution, widths."""
        height, width = feature_size(self.stage, size)
        operator = f"dilation {self.dilation}, resolution {self.resolution}"
        return f"block {height}x{width}, {operator}, {self.narrow}-{self.mid}-{self.wide}"

    def blocks(self) -> tuple[tuple[int, Block], tuple[int, Block]]:
        """Return input channels and block of both directions, widening first."""
        widening = Block(self.dilation, self.resolution, self.mid, self.wide)
        narrowing = Block(self.dilation, self.resolution, self.mid, self.narrow)
        return (self.narrow, widening), (self.wide, narrowing)


@dataclass(frozen=True)
class NetworkPart:
    """A whole network."""

    genotype: Genotype

    def name(self, size: tuple[int, int]) -> str:
        """Return its name in a table for an input of `size`."""
        stages = [
            f"{stage.channels}:" + " ".join(f"{b.dilation}/{b.resolution}/{b.mid}/{b.out}" for b in stage.blocks)
            for stage in self.genotype.stages
        ]
        return f"network {size[0]}x{size[1]}, {', '.join(stages)}"


Part = BlockPart | NetworkPart
MAX_PARTS = 100_000  # of a table: the paper's space has 8,100 blocks if all widths are measured
MAX_LATENCIES = 2**26  # of the blocks between measured widths: 512 MB as numbers of 64 bits


def feature_size(stage: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a stage's features for an input of `size`."""
    return size[0] // (4 << stage), size[1] // (4 << stage)


def measured_operators(space: SearchSpace) -> list[int]:
    """Return the indices of the operators that the search may choose."""
    return np.flatnonzero(space.allowed("operator")[0]).tolist()


def knots(space: SearchSpace, gate: str, stage: int, points: int) -> list[int]:
    """Return the widths of a stage that are measured: `points` of its options, evenly spaced, both ends included.

    All options are measured if there are at most `points`; only the largest if the search does not choose this width.
    """
    widths = space.widths(stage) if gate in space.searched else space.widths(stage)[-1:]
    chosen = np.linspace(0, len(widths) - 1, min(points, len(widths))).round().astype(int)
    return [widths[index] for index in chosen]


def pairs(space: SearchSpace, stage: int, points: int) -> list[tuple[int, int]]:
    """Return the (narrow, wide) end widths of the measured blocks, including the stage's full width."""
    ends = sorted({*knots(space, "out_width", stage, points), space.stages[stage].channels})
    return [(narrow, wide) for index, narrow in enumerate(ends) for wide in ends[index:]]


def check_extent(space: SearchSpace, points: int) -> None:
    """Refuse a table that has too many parts, or whose latencies, interpolated to all widths, fill the memory.

    Raises:
        UserError: It would.
    """
    operators, count = len(measured_operators(space)), 0
    for stage in range(len(space.stages)):
        ends, mids = (len(knots(space, gate, stage, points)) for gate in ("out_width", "mid_width"))
        count += operators * mids * (ends + 1) * (ends + 2) // 2  # the full width may be one more end
    if count > MAX_PARTS:
        raise UserError(
            f"a latency table of this search space has about {count} parts, expected at most {MAX_PARTS}; use fewer "
            "latency.points, or fewer dilations in search.space"
        )
    latencies = len(space.stages) * len(space.operators) * space.width_options**3
    if latencies > MAX_LATENCIES:
        raise UserError(
            f"the latencies of this search space are {latencies} numbers, expected at most {MAX_LATENCIES}; use fewer "
            "width_options in search.space"
        )


def block_parts(space: SearchSpace, points: int) -> Iterator[BlockPart]:
    """Iterate over the blocks to measure; the first one has full widths."""
    for stage in range(len(space.stages)):
        for option in measured_operators(space):
            for narrow, wide in reversed(pairs(space, stage, points)):
                for mid in reversed(knots(space, "mid_width", stage, points)):
                    yield BlockPart(stage, *space.operators[option], narrow, mid, wide)


def smallest_network(space: SearchSpace, widths: Sequence[int]) -> NetworkPart:
    """Return the network of one block per stage, with the first operator, full mid width and the end `widths`."""
    operator = space.operators[measured_operators(space)[0]]
    stages = (
        Stage(stage.channels, (Block(*operator, stage.channels, width),))
        for stage, width in zip(space.stages, widths, strict=True)
    )
    return NetworkPart(Genotype(tuple(stages)))


def frame_parts(space: SearchSpace, points: int) -> list[NetworkPart]:
    """Return the smallest networks to measure: all widths full, then each stage's end width varied on its own."""
    full = [stage.channels for stage in space.stages]
    networks = {smallest_network(space, full): None}  # ordered, each once
    for stage in range(len(space.stages)):
        for width in knots(space, "out_width", stage, points):
            widths = [width if index == stage else full[index] for index in range(len(full))]
            networks[smallest_network(space, widths)] = None
    return list(networks)


def random_parts(space: SearchSpace, count: int, seed: int) -> list[NetworkPart]:
    """Draw `count` whole networks uniformly from the gates' options."""
    generator = np.random.default_rng(seed)
    return [NetworkPart(build_genotype(space, random_choice(space, generator))) for _ in range(count)]
