"""The timing protocol: warm up until the latency settles, then time enough runs one by one.

Independent of networks and devices: it takes a step, a function that waits for its completion, and a clock.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ssr_mmseg.utils.errors import UserError

MIN_RUNS = 200
MIN_SECONDS = 10.0
WARMUP_SECONDS = 20.0

FEWEST_RUNS = 5  # timed even if a step is slow, so that percentiles mean something
WINDOW_RUNS = 5  # a warm-up window has at least this many runs ...
WINDOW_SECONDS = 0.25  # ... and lasts this long: a few 1 ms runs would settle before a processor changes its clock
TOLERANCE = 0.02  # settled: largest relative difference of the medians of two successive windows


@dataclass(frozen=True)
class Timing:
    """Result of one measurement; every latency is in milliseconds per batch.

    Attributes:
        samples: Latency of each timed run, in order.
        warmup_runs: Runs before the timed ones.
        settled: Whether the latency settled before the warm-up ran out of time.
        batch: Images per run.
    """

    samples: tuple[float, ...]
    warmup_runs: int
    settled: bool
    batch: int = 1

    @property
    def runs(self) -> int:
        """Number of timed runs."""
        return len(self.samples)

    @property
    def p50(self) -> float:
        """Median latency, ms."""
        return self.percentile(50)

    @property
    def p95(self) -> float:
        """95th percentile of the latency, ms."""
        return self.percentile(95)

    @property
    def p99(self) -> float:
        """99th percentile of the latency, ms."""
        return self.percentile(99)

    @property
    def mean(self) -> float:
        """Mean latency, ms."""
        return float(np.mean(self.samples))

    @property
    def fps(self) -> float:
        """Images per second at the median latency."""
        return 1000 * self.batch / self.p50

    def percentile(self, q: float) -> float:
        """Return the `q`-th percentile of the latency in ms, interpolated linearly between runs."""
        return float(np.percentile(self.samples, q))


def measure(
    step: Callable[[], object],
    synchronize: Callable[[], None],
    *,
    batch: int = 1,
    min_runs: int = MIN_RUNS,
    min_seconds: float = MIN_SECONDS,
    warmup_seconds: float = WARMUP_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time `step` by the protocol until there are `min_runs` runs or `min_seconds` of them, whichever comes first.

    Args:
        step: One run over one batch; its return value is ignored.
        synchronize: Waits until all work that `step` started is done; called before each reading of the clock.
        batch: Images per run, for the frames per second.
        min_runs: Number of timed runs that is enough.
        min_seconds: Total seconds of timed runs that are enough, once there are `FEWEST_RUNS` of them.
        warmup_seconds: The warm-up ends after the first run past this time, settled or not.
        clock: Monotonic time in seconds.

    Raises:
        UserError: A bound is not a number in its range.
    """
    for name, value, least in (
        ("batch", batch, 1),
        ("min_runs", min_runs, 1),
        ("min_seconds", min_seconds, 0),
        ("warmup_seconds", warmup_seconds, 0),
    ):
        if not value >= least:  # also refuses NaN
            raise UserError(f"expected {name} of at least {least}, found {value}; correct the profile settings")

    def timed_run() -> tuple[float, float]:
        """Run once; return the latency and the time at its end, both in seconds."""
        synchronize()
        begin = clock()
        step()
        synchronize()
        end = clock()
        return end - begin, end

    synchronize()  # so that work queued earlier does not shorten the warm-up
    warmup_runs, settled = _warm_up(timed_run, clock, warmup_seconds)
    samples: list[float] = []
    start = end = clock()
    while len(samples) < FEWEST_RUNS or (len(samples) < min_runs and end - start < min_seconds):
        latency, end = timed_run()
        samples.append(1000 * latency)
    return Timing(tuple(samples), warmup_runs, settled, batch)


def _warm_up(
    timed_run: Callable[[], tuple[float, float]], clock: Callable[[], float], seconds: float
) -> tuple[int, bool]:
    """Run until two successive windows have the same median within `TOLERANCE`, or for `seconds`.

    Returns:
        Number of runs, and whether the median settled.
    """
    start = window_start = clock()
    runs = 0
    window: list[float] = []
    previous: float | None = None
    while True:
        latency, end = timed_run()
        runs += 1
        window.append(latency)
        if len(window) >= WINDOW_RUNS and end - window_start >= WINDOW_SECONDS:
            median = float(np.median(window))
            if previous is not None and abs(median - previous) <= TOLERANCE * previous:
                return runs, True
            previous, window, window_start = median, [], end
        if end - start >= seconds:
            return runs, False
