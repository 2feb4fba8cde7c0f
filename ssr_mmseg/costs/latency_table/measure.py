"""Measure a latency table: time every part of a search space on one device, in groups, saving after each group."""

from collections.abc import Callable

import numpy as np
import torch

from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.modules import build_module, make_input, runs_per_module
from ssr_mmseg.costs.latency_table.parts import Part, block_parts, check_extent, frame_parts, random_parts
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.profiling.backends.base import prepare_backend
from ssr_mmseg.profiling.interleaved import interleave, scale_to_reference

GROUP = 8  # parts that are timed in turn with each other and with a reference part


def list_parts(space: SearchSpace, table: LatencyTable) -> list[Part]:
    """Return all parts of a search space that belong in a table, with the reference part first.

    Raises:
        UserError: They are too many.
    """
    check_extent(space, table.points)
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
    """Measure the parts of a search space that a table lacks, and add them to it.

    Args:
        table: Filled in place; nothing is measured if it is complete.
        space: The search space.
        device: Device to measure on.
        keep: Called with the table after every group of parts, so that an interruption loses at most one group.
        progress: Called with the number of finished parts and their total number.
    """
    parts = {part.name(_size(table)): part for part in list_parts(space, table)}
    missing = [part for name, part in parts.items() if name not in table.entries]
    reference = next(iter(parts.values()))
    progress(len(parts) - len(missing), len(parts))
    for first in range(0, len(missing), GROUP):
        group = missing[first : first + GROUP]
        times = time_parts([reference, *group], table, device)
        if table.reference_ms is None:
            table.reference_ms = float(np.median(times[0]))
        for part, time in zip(group, scale_to_reference(times, table.reference_ms), strict=True):
            table.entries[part.name(_size(table))] = round(float(time) / runs_per_module(part), 6)
        keep(table)
        progress(len(parts) - len(missing) + first + len(group), len(parts))


def time_parts(parts: list[Part], table: LatencyTable, device: torch.device) -> np.ndarray:
    """Time the modules of some parts in turn.

    Returns:
        Milliseconds of every run, (parts, rounds).
    """
    size = _size(table)
    classes, graph, align, head = (table.key[name] for name in ("classes", "graph", "align", "head"))
    backends = []
    for part in parts:
        torch.manual_seed(0)
        module, batch = build_module(part, classes, graph, align, head), make_input(part, size, align)
        backends.append(prepare_backend(table.key["backend"], table.key["precision"], module, batch, device))
    return interleave([backend.run for backend in backends], backends[0].synchronize, table.key["rounds"])


def _size(table: LatencyTable) -> tuple[int, int]:
    height, width = table.key["size"]
    return height, width
