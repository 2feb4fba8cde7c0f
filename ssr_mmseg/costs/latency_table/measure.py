"""Make a latency table: every part of a search space timed on one device, group by group, and kept as it grows."""

from collections.abc import Callable

import numpy as np
import torch

from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.modules import input_of, module_of, runs_of
from ssr_mmseg.costs.latency_table.parts import Part, block_parts, frame_parts, random_parts
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.profiling.backends.base import prepared
from ssr_mmseg.profiling.interleaved import against_reference, interleave

GROUP = 8  # parts that are timed in turn with each other and with the reference


def parts_of(space: SearchSpace, table: LatencyTable) -> list[Part]:
    """Everything that a table of a space holds; the first part is the reference."""
    return [
        *block_parts(space, table.points),
        *frame_parts(space, table.points),
        *random_parts(space, table.networks, seed=0),
    ]


def fill(
    table: LatencyTable,
    space: SearchSpace,
    device: torch.device,
    keep: Callable[[LatencyTable], None],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Measure what a table lacks of a space.

    Args:
        table: Is filled in place. Of a finished one nothing is measured.
        device: Where to measure.
        keep: Called with the table after every group of parts, so that an interrupted measurement loses one group.
        progress: Called with the parts that are done and their total.
    """
    parts = {part.name(_size(table)): part for part in parts_of(space, table)}
    missing = [part for name, part in parts.items() if name not in table.entries]
    reference = next(iter(parts.values()))
    progress(len(parts) - len(missing), len(parts))
    for first in range(0, len(missing), GROUP):
        group = missing[first : first + GROUP]
        times = time_parts([reference, *group], table, device)
        if table.reference_ms is None:
            table.reference_ms = float(np.median(times[0]))
        for part, time in zip(group, against_reference(times, table.reference_ms), strict=True):
            table.entries[part.name(_size(table))] = round(float(time) / runs_of(part), 6)
        keep(table)
        progress(len(parts) - len(missing) + first + len(group), len(parts))


def time_parts(parts: list[Part], table: LatencyTable, device: torch.device) -> np.ndarray:
    """ms of every run of the modules of some parts, timed in turn: (parts, rounds)."""
    size = _size(table)
    classes, graph, align = (table.key[name] for name in ("classes", "graph", "align"))
    backends = []
    for part in parts:
        torch.manual_seed(0)
        module, batch = module_of(part, classes, graph, align), input_of(part, size, align)
        backends.append(prepared(table.key["backend"], table.key["precision"], module, batch, device))
    return interleave([backend.run for backend in backends], backends[0].synchronise, table.key["rounds"])


def _size(table: LatencyTable) -> tuple[int, int]:
    height, width = table.key["size"]
    return height, width
