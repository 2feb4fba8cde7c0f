"""The timing protocol on a scripted clock: no test waits or depends on real time."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.profiling.timing import FEWEST_RUNS, MIN_RUNS, WARMUP_SECONDS, WINDOW_RUNS, Timing, measure
from ssr_mmseg.utils.errors import UserError


class Machine:
    """A device with scripted run times in seconds; `step` only queues a run, `synchronize` carries it out."""

    def __init__(self, durations: Iterable[float]) -> None:
        self.durations = iter(durations)
        self.now = 1000.0
        self.queued = 0
        self.done = 0

    def step(self) -> None:
        self.queued += 1

    def synchronize(self) -> None:
        for _ in range(self.queued):
            self.now += next(self.durations)
        self.done += self.queued
        self.queued = 0

    def clock(self) -> float:
        return self.now

    def measure(self, **settings) -> Timing:
        return measure(self.step, self.synchronize, clock=self.clock, **settings)


def test_percentiles_of_known_samples():
    timing = Timing(samples=tuple(float(value) for value in range(100, -1, -1)), warmup_runs=3, settled=True, batch=4)
    assert (timing.p50, timing.p95, timing.p99, timing.mean) == (50.0, 95.0, 99.0, 50.0)
    assert timing.runs == 101
    assert timing.fps == 80.0  # 4 images in 50 ms


@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=50))
def test_percentiles_agree_with_a_sorted_list(samples):
    timing = Timing(tuple(samples), warmup_runs=0, settled=True)
    ordered = sorted(samples)
    for q in (50, 95, 99):
        position = q / 100 * (len(ordered) - 1)
        below, share = int(position), position % 1
        above = min(below + 1, len(ordered) - 1)
        expected = ordered[below] + share * (ordered[above] - ordered[below])
        assert timing.percentile(q) == pytest.approx(expected)
    assert timing.p50 <= timing.p95 <= timing.p99 <= ordered[-1]


def test_samples_are_the_runs_after_the_warmup_in_ms():
    # 10 runs of 1/16 s are two equal windows of 5: the warm-up; then the timed runs.
    timed = [0.25, 0.5, 0.125, 0.75, 1.0, 0.375]
    timing = Machine([1 / 16] * 10 + timed).measure(min_runs=6, min_seconds=100)
    assert timing == Timing((250.0, 500.0, 125.0, 750.0, 1000.0, 375.0), warmup_runs=10, settled=True)
    assert timing.p50 == np.median(timed) * 1000


def test_work_queued_by_the_caller_is_not_timed():
    machine = Machine(itertools.chain([64.0], itertools.repeat(1 / 16)))
    machine.step()  # queued earlier
    timing = machine.measure()
    assert timing.settled
    assert timing.warmup_runs == 2 * WINDOW_RUNS
    assert set(timing.samples) == {62.5}


def test_timing_stops_after_min_runs():
    machine = Machine(itertools.repeat(1 / 64))
    timing = machine.measure()
    assert timing.runs == MIN_RUNS
    assert machine.done == timing.runs + timing.warmup_runs


def test_timing_stops_after_min_seconds():
    assert Machine(itertools.repeat(0.25)).measure(min_runs=200, min_seconds=10).runs == 40


@pytest.mark.parametrize("bounds", [{"min_runs": 1}, {"min_seconds": 0}, {"min_seconds": 1}])
def test_never_fewer_than_five_runs(bounds):
    assert Machine(itertools.repeat(2.0)).measure(**bounds).runs == FEWEST_RUNS == 5


def test_slow_first_runs_belong_to_the_warm_up():
    timing = Machine(itertools.chain([8.0, 4.0, 2.0, 1.0, 0.5], itertools.repeat(1 / 16))).measure()
    assert timing.settled
    assert timing.warmup_runs == 3 * WINDOW_RUNS  # the first window differs, the next two agree
    assert timing.p99 == 62.5


def test_a_single_outlier_does_not_unsettle_a_window():
    window = [1 / 16] * 4 + [3.0]
    timing = Machine(itertools.chain(window, [1 / 16] * 5, itertools.repeat(1 / 16))).measure()
    assert timing.settled
    assert timing.warmup_runs == 2 * WINDOW_RUNS


def test_a_drift_within_the_tolerance_settles_and_a_larger_one_does_not():
    def second_window(factor: float) -> int:
        runs = itertools.chain([0.25] * 5, [0.25 * factor] * 5, itertools.repeat(0.25))
        return Machine(runs).measure().warmup_runs

    assert second_window(1.015) == 10
    assert second_window(0.985) == 10
    assert second_window(1.03) > 10
    assert second_window(0.97) > 10


def test_short_runs_fill_a_window_by_time():
    timing = Machine(itertools.repeat(1 / 1024)).measure()
    assert timing.settled
    assert timing.warmup_runs == 512  # two windows of 0.25 s, not of 5 runs


def test_a_latency_that_never_settles_ends_the_warm_up_unsettled():
    growing = (0.1 * 1.1**run for run in itertools.count())
    machine = Machine(growing)
    timing = machine.measure(min_runs=5)
    assert not timing.settled
    total = np.cumsum([0.1 * 1.1**run for run in range(timing.warmup_runs)])
    assert total[-1] >= WARMUP_SECONDS > total[-2]  # one run past the bound


def test_runs_longer_than_the_bound_are_warmed_up_once():
    timing = Machine(itertools.repeat(60.0)).measure(warmup_seconds=30)
    assert (timing.warmup_runs, timing.settled, timing.runs) == (1, False, FEWEST_RUNS)


@pytest.mark.parametrize(
    "settings",
    [{"min_runs": 0}, {"min_seconds": -1}, {"min_seconds": float("nan")}, {"warmup_seconds": -0.5}, {"batch": 0}],
)
def test_bad_bounds_are_refused_before_any_run(settings):
    machine = Machine(itertools.repeat(1.0))
    with pytest.raises(UserError, match=f"expected {next(iter(settings))} of at least"):
        machine.measure(**settings)
    assert machine.queued == machine.done == 0


def test_an_error_in_a_run_reaches_the_caller():
    def broken() -> None:
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        measure(broken, lambda: None)


def test_every_run_is_between_two_synchronized_readings_of_the_clock():
    events, ticks = [], itertools.count()

    def clock() -> int:
        events.append("clock")
        return next(ticks)

    timing = measure(lambda: events.append("step"), lambda: events.append("wait"), clock=clock, min_runs=6)
    steps = [index for index, event in enumerate(events) if event == "step"]
    assert len(steps) == timing.warmup_runs + timing.runs
    for index in steps:
        assert events[index - 2 : index + 3] == ["wait", "clock", "step", "wait", "clock"]
