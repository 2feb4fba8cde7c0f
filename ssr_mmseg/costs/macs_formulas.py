"""Multiply-adds, exact for a genotype and expected under the gates, from the same formulas.

Options of different groups are independent, so the expectation of a product of widths is the product of their
expectations, and one-hot gates give the exact count. Only convolutions are counted, as in the published figures.
"""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, build_genotype, reference_choice
from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.architecture.search_space import STEM_CHANNELS, SearchSpace
from ssr_mmseg.models.operators import POOL_GRIDS
from ssr_mmseg.utils.devices import constant

Count = TypeVar("Count", int, Tensor)  # an exact count, or its expectation with gradients


def search_head_macs(width: Count, classes: int, size: tuple[int, int]) -> Count:
    """Count the 1×1 classifier on the last feature, which has `width` channels at 1/8 of `size`."""
    return width * classes * _pixels(size, 8)


def aggregation_macs(
    widths: tuple[Count, Count],
    classes: int,
    size: tuple[int, int],
    channels: int = 128,
    skip_channels: int = 64,
    branch_channels: int = 40,
) -> Count:
    """Count the aggregation head of the derived network on stages that end with `widths` channels (method §2)."""
    quarter, eighth = _pixels(size, 4), _pixels(size, 8)
    pooled = sum(grid * grid for grid in POOL_GRIDS) * widths[1] * branch_channels
    pyramid = pooled + (widths[1] + len(POOL_GRIDS) * branch_channels) * channels * eighth
    skip = 9 * (widths[0] + STEM_CHANNELS) * skip_channels * quarter
    return pyramid + skip + (channels + skip_channels) * channels * quarter + channels * classes * quarter


def expected_macs(
    space: SearchSpace, probabilities: Mapping[str, Tensor], classes: int, size: tuple[int, int], head: str = "search"
) -> Tensor:
    """Return E[multiply-adds] of the derived network for one image of `size` (height, width), a scalar with gradients.

    Args:
        probabilities: Probabilities per gate, as `ArchitectureParameters.probabilities` returns them.
        head: `search` for the search head, `aggregation` for the aggregation head.

    Raises:
        UserError: The height or the width is not a multiple of 8.
    """
    check_input_size(size)
    p_operator = probabilities["operator"]  # (blocks, operators)
    total = p_operator.new_full((), float(_stem_macs(space.stages[0].channels, size)))
    stage_widths = []
    first = 0
    for index, stage in enumerate(space.stages):
        height, width = (side // (4 << index) for side in size)
        options = constant(tuple(space.widths(index)), p_operator.dtype, p_operator.device)
        areas = tuple((height // s) * (width // s) for _, s in space.operators)
        area = constant(areas, p_operator.dtype, p_operator.device)
        p_depth = probabilities["depth"][index, : stage.blocks]
        reached = p_depth.flip(0).cumsum(0).flip(0)  # (blocks,): P(the depth includes the block)
        rows = slice(first, first + stage.blocks)
        p_out = probabilities["out_width"][rows]
        mid = probabilities["mid_width"][rows] @ options  # (blocks, operators)
        out = p_out @ options
        block_out = (p_operator[rows] * out).sum(dim=-1)  # (blocks,)
        inputs = torch.cat([block_out.new_full((1,), float(stage.channels)), block_out[:-1]])
        per_operator = 3 * area * mid * (inputs.unsqueeze(-1) + out)
        total = total + (reached * (p_operator[rows] * per_operator).sum(dim=-1)).sum()
        if index + 1 < len(space.stages):  # the reduction block after the stage: 9·a·(b − a), quadratic in a
            following = space.stages[index + 1].channels
            reduction = 9 * options * (following - options) * _pixels(size, 8 << index)
            after_block = (p_operator[rows] * (p_out @ reduction)).sum(dim=-1)  # (blocks,)
            total = total + (p_depth * after_block).sum()
        stage_widths.append((p_depth * block_out).sum())
        first += stage.blocks
    if head == "search":
        return total + search_head_macs(stage_widths[-1], classes, size)
    return total + aggregation_macs((stage_widths[0], stage_widths[1]), classes, size)


def genotype_macs(
    genotype: Genotype, classes: int, size: tuple[int, int], head: str = "aggregation", **channels: int
) -> int:
    """Count the multiply-adds of a genotype's network for one image of `size` (height, width), block by block.

    Args:
        head: `search` for the search head, `aggregation` for the aggregation head.
        channels: Widths of the aggregation head that differ from the paper's: see `aggregation_macs`.

    Raises:
        UserError: The height or the width is not a multiple of 8.
    """
    check_input_size(size)
    total = _stem_macs(genotype.stages[0].channels, size)
    widths = []
    for index, stage in enumerate(genotype.stages):
        height, width = (side // (4 << index) for side in size)
        inputs = stage.channels
        for block in stage.blocks:
            area = (height // block.resolution) * (width // block.resolution)
            total += 3 * area * block.mid * (inputs + block.out)
            inputs = block.out
        widths.append(inputs)
    total += 9 * widths[0] * (genotype.stages[1].channels - widths[0]) * _pixels(size, 8)
    if head == "search":
        return total + search_head_macs(widths[1], classes, size)
    return total + aggregation_macs((widths[0], widths[1]), classes, size, **channels)


def reference_macs(space: SearchSpace, classes: int, size: tuple[int, int]) -> float:
    """M₀ of the cost loss (method §5): every block at full width and resolution 1, with the search head."""
    return float(genotype_macs(build_genotype(space, reference_choice(space)), classes, size, "search"))


def _pixels(size: tuple[int, int], stride: int) -> int:
    return (size[0] // stride) * (size[1] // stride)


def _stem_macs(channels: int, size: tuple[int, int]) -> int:
    """Count the two reduction blocks before stage 1: 3 → 16 at 1/2 and 16 → `channels` at 1/4."""
    to_stem = 9 * 3 * (STEM_CHANNELS - 3) * _pixels(size, 2)
    return to_stem + 9 * STEM_CHANNELS * (channels - STEM_CHANNELS) * _pixels(size, 4)
