"""Interleaved repeats on a scripted clock: no test waits or depends on real time."""

import pytest

from ssr_mmseg.profiling.blocks import Repeats, measure_interleaved
from ssr_mmseg.profiling.timing import Timing
from ssr_mmseg.utils.errors import UserError


class Machine:
    """A clock shared by several networks; `drift` slows all of them over time."""

    def __init__(self, drift: float = 0.0) -> None:
        self.now, self.drift, self.order = 0.0, drift, []

    def step(self, name: str, seconds: float):
        def run() -> None:
            self.order.append(name)
            self.now += seconds * (1 + self.drift * self.now)

        return run, lambda: None

    def clock(self) -> float:
        return self.now


def test_a_drift_of_the_machine_does_not_change_the_ratio():
    machine = Machine(drift=0.003)
    steps = {"slow": machine.step("slow", 2.0), "fast": machine.step("fast", 1.0)}
    bounds = {"min_runs": 30, "min_seconds": 1000, "warmup_seconds": 0}
    timed = measure_interleaved(steps, repeats=6, **bounds, clock=machine.clock)
    first, last = timed["slow"].blocks[0].p50, timed["slow"].blocks[-1].p50
    assert last > 1.1 * first  # the machine did slow down
    assert timed["fast"].ratio(timed["slow"]) == pytest.approx(0.5, rel=0.03)
    assert timed["slow"].ratio(timed["slow"]) == 1


def test_blocks_alternate_and_divide_the_runs():
    machine = Machine()
    steps = {name: machine.step(name, 0.5) for name in "abc"}
    timed = measure_interleaved(steps, repeats=4, min_runs=40, min_seconds=1000, warmup_seconds=0, clock=machine.clock)
    for repeats in timed.values():
        assert len(repeats.blocks) == 4
        assert [block.runs for block in repeats.blocks] == [10] * 4
        assert repeats.runs == 40
    warmed = machine.order[: 3 * 6]  # one run, then the protocol's minimum of five
    assert warmed == ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    blocks = machine.order[3 * 6 :]
    firsts = [blocks[index] for index in range(0, len(blocks), 11)]  # one untimed run and ten timed ones
    assert firsts == ["a", "b", "c", "b", "c", "a", "c", "a", "b", "a", "b", "c"]


def test_seconds_are_divided_too():
    machine = Machine()
    timed = measure_interleaved(
        {"a": machine.step("a", 0.5)}, repeats=2, min_runs=1000, min_seconds=20, clock=machine.clock
    )
    assert [block.runs for block in timed["a"].blocks] == [20, 20]
    assert timed["a"].settled


def test_one_slow_block_changes_neither_median_nor_ratio():
    def block(*samples: float) -> Timing:
        return Timing(samples, warmup_runs=1, settled=True)

    good = Repeats((block(10, 10, 12), block(90, 90, 90), block(11, 11, 11)), settled=True)
    other = Repeats((block(20), block(20), block(22)), settled=True)
    assert good.p50 == 11
    assert good.fastest == 10
    assert good.ratio(other) == 0.5
    assert good.percentile(100) == 90


@pytest.mark.parametrize(("steps", "repeats"), [({}, 3), ({"a": (lambda: None, lambda: None)}, 0)])
def test_an_empty_comparison_is_refused(steps, repeats):
    with pytest.raises(UserError, match="expected at least one network and one repeat"):
        measure_interleaved(steps, repeats=repeats)
