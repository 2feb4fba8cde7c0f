"""What is physically there: which blocks and operators a supernet holds, and with how many channels.

A fresh supernet holds everything. Between stages the structure is cut to the survivors: since all masks are
prefixes, every cut keeps the leading channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssr_mmseg.architecture.search_space import SearchSpace


@dataclass(frozen=True)
class BlockStructure:
    """Channels entering and leaving a block, and the mid channels of each operator that it holds."""

    inputs: int
    outputs: int
    mids: Mapping[int, int]  # operator's option → mid channels


Structure = tuple[tuple[BlockStructure, ...], ...]  # stages of blocks


def structure_of(space: SearchSpace, alive: Mapping[str, np.ndarray]) -> Structure:
    """The smallest structure in which all survivors find their channels.

    Args:
        alive: Booleans per gate, (*groups, options).
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
    """JSON value of a structure."""
    return [
        [{"inputs": b.inputs, "outputs": b.outputs, "mids": {str(k): v for k, v in b.mids.items()}} for b in stage]
        for stage in structure
    ]


def structure_from_json(value: Any) -> Structure:
    """Inverse of `structure_to_json`."""
    return tuple(
        tuple(BlockStructure(b["inputs"], b["outputs"], {int(k): v for k, v in b["mids"].items()}) for b in stage)
        for stage in value
    )
