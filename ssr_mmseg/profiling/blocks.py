"""Compare the latencies of a few networks: blocks of the timing protocol in turn, with percentiles and ratios.

Blocks alternate so that slow drifts of the machine affect all networks equally. `profiling/interleaved.py`, for the
latency table, alternates single runs instead and scales their medians to a reference, which is faster for many short
steps but gives no percentiles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssr_mmseg.profiling.timing import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, Timing, measure
from ssr_mmseg.utils.errors import UserError

REPEATS = 10


@dataclass(frozen=True)
class Repeats:
    """The blocks of one network, in order; every latency is in milliseconds per batch."""

    blocks: tuple[Timing, ...]
    settled: bool

    @property
    def p50(self) -> float:
        """Median over the blocks of their medians, ms."""
        return float(np.median([block.p50 for block in self.blocks]))

    @property
    def fastest(self) -> float:
        """Smallest median of a block, ms."""
        return min(block.p50 for block in self.blocks)

    @property
    def runs(self) -> int:
        """Number of timed runs of all blocks."""
        return sum(block.runs for block in self.blocks)

    def percentile(self, q: float) -> float:
        """Return the `q`-th percentile of the latency of all runs, in ms."""
        return float(np.percentile([sample for block in self.blocks for sample in block.samples], q))

    def ratio(self, other: "Repeats") -> float:
        """Return the median over the repeats of this network's latency divided by the other's in the same repeat."""
        pairs = zip(self.blocks, other.blocks, strict=True)
        return float(np.median([this.p50 / that.p50 for this, that in pairs]))


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

    A block starts with one untimed run, because caches and threads were used by the previous network. The order is
    rotated by one in every repeat.

    Args:
        steps: For each name, `step` and `synchronize` of `measure`.
        batch: Images per run.
        repeats: Blocks per step; the bounds on runs and seconds are divided among them.
        min_runs, min_seconds, warmup_seconds: See `measure`.
        options: Further arguments of `measure`, such as the clock in tests.

    Raises:
        UserError: There is no step, or a bound is not a number in its range.
    """
    if not steps or repeats < 1:
        raise UserError(
            f"expected at least one network and one repeat, found {len(steps)} and {repeats}; correct the options"
        )
    settled = {}
    for name, (step, synchronize) in steps.items():
        warm = measure(step, synchronize, min_runs=1, min_seconds=0, warmup_seconds=warmup_seconds, **options)
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
            step, synchronize = steps[name]
            blocks[name].append(measure(step, synchronize, batch=batch, **bounds, **options))
    return {name: Repeats(tuple(timings), settled[name]) for name, timings in blocks.items()}
