"""Several networks against each other: short blocks of runs in turn, so that a drift of the machine meets all alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssr_mmseg.profiling.timing import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, Timing, measure
from ssr_mmseg.utils.errors import UserError

REPEATS = 10


@dataclass(frozen=True)
class Repeats:
    """The blocks of one network, in order; every latency is in milliseconds, of a whole batch."""

    blocks: tuple[Timing, ...]
    settled: bool

    @property
    def p50(self) -> float:
        """Median over the blocks of their medians, ms."""
        return float(np.median([block.p50 for block in self.blocks]))

    @property
    def fastest(self) -> float:
        """Median of the fastest block, ms."""
        return min(block.p50 for block in self.blocks)

    @property
    def runs(self) -> int:
        """Timed runs of all blocks."""
        return sum(block.runs for block in self.blocks)

    def percentile(self, q: float) -> float:
        """Latency in ms that `q` percent of all runs do not exceed."""
        return float(np.percentile([sample for block in self.blocks for sample in block.samples], q))

    def ratio(self, other: "Repeats") -> float:
        """Median over the repeats of this network's latency as a share of the other's in the same repeat."""
        pairs = zip(self.blocks, other.blocks, strict=True)
        return float(np.median([mine.p50 / theirs.p50 for mine, theirs in pairs]))


def measure_interleaved(
    steps: Mapping[str, tuple[Callable[[], object], Callable[[], None]]],
    *,
    batch: int = 1,
    repeats: int = REPEATS,
    min_runs: int = MIN_RUNS,
    min_seconds: float = MIN_SECONDS,
    warmup_seconds: float = WARMUP_SECONDS,
    **options: Any,
) -> dict[str, Repeats]:
    """Time several steps by the protocol, each warmed up once and then timed in `repeats` blocks in turn.

    A block starts with a run that is not timed, since caches and threads still serve the network before it. The order
    turns by one from repeat to repeat.

    Args:
        steps: by name, one run and what waits for it, as `measure` takes them.
        batch: images per run.
        repeats: blocks of each; the bounds on runs and seconds are shared out among them.
        min_runs, min_seconds, warmup_seconds: see `measure`.
        options: of `measure`, for the clock of tests.

    Raises:
        UserError: no step, or a bound that is not a number in its range.
    """
    if not steps or repeats < 1:
        raise UserError(f"expected at least one network and one repeat, found {len(steps)} and {repeats}")
    settled = {}
    for name, (step, synchronise) in steps.items():
        warm = measure(step, synchronise, min_runs=1, min_seconds=0, warmup_seconds=warmup_seconds, **options)
        settled[name] = warm.settled
    bounds: dict[str, Any] = {
        "min_runs": max(1, min_runs // repeats),
        "min_seconds": min_seconds / repeats,
        "warmup_seconds": 0,
    }
    blocks: dict[str, list[Timing]] = {name: [] for name in steps}
    names = list(steps)
    for repeat in range(repeats):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            step, synchronise = steps[name]
            blocks[name].append(measure(step, synchronise, batch=batch, **bounds, **options))
    return {name: Repeats(tuple(found), settled[name]) for name, found in blocks.items()}
