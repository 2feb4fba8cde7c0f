"""What a latency table measures of a search space: its parts, each with a name that says all that its time depends on.

Two kinds of parts make a network: *blocks*, and a *frame*, which is all the rest: stem, reduction blocks, head and the
upsampling to the input's size. A frame is measured within the smallest whole network, of one block per stage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ssr_mmseg.architecture.genotype import Block, Genotype, Stage, genotype_of, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace


@dataclass(frozen=True)
class BlockPart:
    """An operator with its widths: a block from `narrow` to `wide` channels, or back, at 1/4 or 1/8 of the input.

    Along a network widths go up as often as down, so what counts is the mean of both directions.
    """

    stage: int
    dilation: int
    resolution: int
    narrow: int
    mid: int
    wide: int

    def name(self, size: tuple[int, int]) -> str:
        """Name in a table for an input of `size`: feature map, dilation, resolution, widths."""
        height, width = feature_size(self.stage, size)
        operator = f"dilation {self.dilation}, resolution {self.resolution}"
        return f"block {height}x{width}, {operator}, {self.narrow}-{self.mid}-{self.wide}"

    def blocks(self) -> tuple[tuple[int, Block], tuple[int, Block]]:
        """Input channels and block, there and back."""
        there = Block(self.dilation, self.resolution, self.mid, self.wide)
        back = Block(self.dilation, self.resolution, self.mid, self.narrow)
        return (self.narrow, there), (self.wide, back)


@dataclass(frozen=True)
class NetworkPart:
    """A whole network."""

    genotype: Genotype

    def name(self, size: tuple[int, int]) -> str:
        """Name in a table for an input of `size`."""
        stages = [
            f"{stage.channels}:" + " ".join(f"{b.dilation}/{b.resolution}/{b.mid}/{b.out}" for b in stage.blocks)
            for stage in self.genotype.stages
        ]
        return f"network {size[0]}x{size[1]}, {', '.join(stages)}"


Part = BlockPart | NetworkPart


def feature_size(stage: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a stage's features for an input of `size`."""
    return size[0] // (4 << stage), size[1] // (4 << stage)


def measured_operators(space: SearchSpace) -> list[int]:
    """Options of the operator gate that the search may choose."""
    return np.flatnonzero(space.allowed("operator")[0]).tolist()


def knots(space: SearchSpace, gate: str, stage: int, points: int) -> list[int]:
    """The widths of a stage that are measured: of those that the search may choose, `points` from least to largest.

    All of them where there are no more than that. Fixed widths are at their largest.
    """
    widths = space.widths(stage) if gate in space.searched else space.widths(stage)[-1:]
    chosen = np.linspace(0, len(widths) - 1, min(points, len(widths))).round().astype(int)
    return [widths[index] for index in chosen]


def pairs(space: SearchSpace, stage: int, points: int) -> list[tuple[int, int]]:
    """(narrow, wide) end widths of the blocks that are measured, a stage's full width among them."""
    ends = sorted({*knots(space, "out_width", stage, points), space.stages[stage].channels})
    return [(narrow, wide) for index, narrow in enumerate(ends) for wide in ends[index:]]


def block_parts(space: SearchSpace, points: int) -> Iterator[BlockPart]:
    """Every block to measure; the first one has all widths full."""
    for stage in range(len(space.stages)):
        for option in measured_operators(space):
            for narrow, wide in reversed(pairs(space, stage, points)):
                for mid in reversed(knots(space, "mid_width", stage, points)):
                    yield BlockPart(stage, *space.operators[option], narrow, mid, wide)


def smallest(space: SearchSpace, widths: Sequence[int]) -> NetworkPart:
    """The network of one block per stage, of the first operator and full mid width, whose stages end with `widths`."""
    operator = space.operators[measured_operators(space)[0]]
    stages = (
        Stage(stage.channels, (Block(*operator, stage.channels, width),))
        for stage, width in zip(space.stages, widths, strict=True)
    )
    return NetworkPart(Genotype(tuple(stages)))


def frame_parts(space: SearchSpace, points: int) -> list[NetworkPart]:
    """The smallest networks to measure: each stage's end width in turn, the other one full; the full one first."""
    full = [stage.channels for stage in space.stages]
    found = {smallest(space, full): None}
    for stage in range(len(space.stages)):
        for width in knots(space, "out_width", stage, points):
            found[smallest(space, [width if index == stage else full[index] for index in range(len(full))])] = None
    return list(found)


def random_parts(space: SearchSpace, count: int, seed: int) -> list[NetworkPart]:
    """`count` whole networks, drawn uniformly from the gates' options."""
    generator = np.random.default_rng(seed)
    return [NetworkPart(genotype_of(space, random_choice(space, generator))) for _ in range(count)]
