"""Latency tables whose figures follow a formula instead of a clock."""

from collections.abc import Callable
from dataclasses import replace

from ssr_mmseg.architecture.genotype import Genotype, Stage
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.measure import parts_of
from ssr_mmseg.costs.latency_table.parts import BlockPart, NetworkPart
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.deploy.conv_rewrites import rounded

SIZE = (64, 96)
CLASSES = 11


def block_ms(part: BlockPart) -> float:
    """Linear in each width, the same in both directions, and different for every operator."""
    weight = (1 + part.stage) * (1 + 0.1 * part.dilation) / part.resolution
    return 1e-3 * weight * part.mid * (part.narrow + part.wide) + 0.01 * part.resolution


def frame_ms(widths: tuple[int, ...]) -> float:
    """Of the stages' end widths."""
    return 5.0 + 0.02 * widths[0] + 0.03 * widths[1]


def network_ms(genotype: Genotype, factors: tuple[float, float] = (1.0, 1.0)) -> float:
    """The frame and every block, those of a stage by its factor."""
    total = frame_ms(tuple(stage.blocks[-1].out for stage in genotype.stages))
    for index, (stage, factor) in enumerate(zip(genotype.stages, factors, strict=True)):
        inputs = stage.channels
        for block in stage.blocks:
            widths = sorted((inputs, block.out))
            total += factor * block_ms(
                BlockPart(index, block.dilation, block.resolution, widths[0], block.mid, widths[1])
            )
            inputs = block.out
    return total


def padded_ms(genotype: Genotype, align: int) -> float:
    """`network_ms` on a device that pads every width to a multiple of `align`."""
    stages = (
        Stage(
            rounded(stage.channels, align),
            tuple(replace(b, mid=rounded(b.mid, align), out=rounded(b.out, align)) for b in stage.blocks),
        )
        for stage in genotype.stages
    )
    return network_ms(Genotype(tuple(stages)))


def padded_block_ms(part: BlockPart, align: int) -> float:
    """`block_ms` on such a device."""
    return block_ms(replace(part, **{name: rounded(getattr(part, name), align) for name in ("narrow", "mid", "wide")}))


def macs_ms(genotype: Genotype) -> float:
    """In proportion to multiply-adds."""
    return genotype_macs(genotype, CLASSES, SIZE) / 1e6


def key(**changes) -> dict:
    """Circumstances of an imaginary device."""
    circumstances = {"device": "abacus", "backend": "eager", "precision": "fp32", "graph": "trained", "align": 1}
    measured = {"threads": 1, "size": list(SIZE), "classes": CLASSES, "rounds": 3, "versions": {"torch": "2"}}
    return {**circumstances, **measured, **changes}


def synthetic(
    space: SearchSpace,
    points: int = 9,
    networks: int = 8,
    of: Callable[[Genotype], float] = network_ms,
    of_block: Callable[[BlockPart], float] = block_ms,
    **changes,
) -> LatencyTable:
    """A finished table of a space: blocks by `of_block`, networks by `of`; `changes` are those of the key."""
    table = LatencyTable(key(**changes), points, networks, reference_ms=1.0)
    height, width = table.key["size"]
    for part in parts_of(space, table):
        time = of(part.genotype) if isinstance(part, NetworkPart) else of_block(part)
        table.entries[part.name((height, width))] = time
    return table
