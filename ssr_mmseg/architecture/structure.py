"""The structure of a supernet: the blocks, operators and channels that are physically present.

A new supernet contains all of them. Between stages it is cut down to the survivors: because all masks are prefixes,
every cut keeps the leading channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssr_mmseg.architecture.search_space import SearchSpace


@dataclass(frozen=True)
class BlockStructure:
    """Input and output channels of a block, and the mid channels of each operator in it."""

    inputs: int
    outputs: int
    mids: Mapping[int, int]  # index of the operator → mid channels


Structure = tuple[tuple[BlockStructure, ...], ...]  # the blocks of each stage


def surviving_structure(space: SearchSpace, alive: Mapping[str, np.ndarray]) -> Structure:
    """Return the smallest structure with the channels of all survivors.

    Args:
        alive: Survivors of each gate, boolean, (*groups, options).
    """
    stages, first = [], 0
    for index, stage in enumerate(space.stages):
        widths = np.array(space.widths(index))
        deepest = int(alive["depth"][index].nonzero()[0].max())
        blocks, inputs = [], stage.channels
        for number in range(first, first + deepest + 1):
            options = alive["operator"][number].nonzero()[0]
            mids = {int(option): int(widths[alive["mid_width"][number, option]].max()) for option in options}
            outputs = max(int(widths[alive["out_width"][number, option]].max()) for option in options)
            blocks.append(BlockStructure(inputs, outputs, mids))
            inputs = outputs
        stages.append(tuple(blocks))
        first += stage.blocks
    return tuple(stages)


def structure_to_json(structure: Structure) -> list:
    """Return the JSON value of a structure."""
    return [
        [{"inputs": b.inputs, "outputs": b.outputs, "mids": {str(k): v for k, v in b.mids.items()}} for b in stage]
        for stage in structure
    ]


def structure_from_json(value: Any) -> Structure:
    """Return the structure of a JSON value, the inverse of `structure_to_json`."""
    return tuple(
        tuple(BlockStructure(b["inputs"], b["outputs"], {int(k): v for k, v in b["mids"].items()}) for b in stage)
        for stage in value
    )
