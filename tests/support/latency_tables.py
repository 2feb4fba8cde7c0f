"""Latency tables computed by formulas instead of measured."""

from collections.abc import Callable
from dataclasses import replace

from ssr_mmseg.architecture.genotype import Genotype, Stage
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.measure import list_parts
from ssr_mmseg.costs.latency_table.parts import BlockPart, NetworkPart
from ssr_mmseg.costs.latency_table.table import EARLIER_HEAD, LatencyTable
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.deploy.conv_rewrites import round_up

SIZE = (64, 96)
CLASSES = 11


def block_ms(part: BlockPart) -> float:
    """Return a latency that is linear in each width, equal in both directions, and different for every operator."""
    weight = (1 + part.stage) * (1 + 0.1 * part.dilation) / part.resolution
    return 1e-3 * weight * part.mid * (part.narrow + part.wide) + 0.01 * part.resolution


def frame_ms(widths: tuple[int, ...]) -> float:
    """Return the latency of a frame from the stages' end widths."""
    return 5.0 + 0.02 * widths[0] + 0.03 * widths[1]


def network_ms(genotype: Genotype, factors: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return the sum of the frame and every block, those of each stage times its factor."""
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
    """Return `network_ms` on a device that pads every width to a multiple of `align`."""
    stages = (
        Stage(
            round_up(stage.channels, align),
            tuple(replace(b, mid=round_up(b.mid, align), out=round_up(b.out, align)) for b in stage.blocks),
        )
        for stage in genotype.stages
    )
    return network_ms(Genotype(tuple(stages)))


def padded_block_ms(part: BlockPart, align: int) -> float:
    """Return `block_ms` on a device that pads every width to a multiple of `align`."""
    return block_ms(replace(part, **{name: round_up(getattr(part, name), align) for name in ("narrow", "mid", "wide")}))


def macs_ms(genotype: Genotype) -> float:
    """Return a latency proportional to multiply-adds."""
    return genotype_macs(genotype, CLASSES, SIZE) / 1e6


def key(**changes) -> dict:
    """Return the circumstances of an imaginary device."""
    circumstances = {"device": "abacus", "backend": "eager", "precision": "fp32", "graph": "trained", "align": 1}
    circumstances["head"] = EARLIER_HEAD
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
    """Build a complete table: blocks by `of_block`, networks by `of`; `changes` override the key."""
    table = LatencyTable(key(**changes), points, networks, reference_ms=1.0)
    height, width = table.key["size"]
    for part in list_parts(space, table):
        time = of(part.genotype) if isinstance(part, NetworkPart) else of_block(part)
        table.entries[part.name((height, width))] = time
    return table
