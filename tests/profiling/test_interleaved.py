"""Interleaved timing on a scripted clock."""

import numpy as np

from ssr_mmseg.profiling.interleaved import WARMUP_RUNS, interleave, scale_to_reference


class Machine:
    """A clock on which a run lasts its length times the machine's current slowness."""

    def __init__(self, slowness=lambda run: 1.0):
        self.now, self.runs, self.order, self.slowness = 0.0, 0, [], slowness

    def step(self, name, seconds):
        def run():
            self.order.append(name)
            self.now += seconds * self.slowness(self.runs)
            self.runs += 1

        return run

    def measure(self, lengths, rounds):
        steps = [self.step(index, length) for index, length in enumerate(lengths)]
        return interleave(steps, lambda: None, rounds, clock=lambda: self.now)


def test_steps_alternate_after_a_warm_up():
    machine = Machine()
    samples = machine.measure([0.001, 0.002], rounds=3)
    assert machine.order == [0] * WARMUP_RUNS + [1] * WARMUP_RUNS + [0, 1] * 3
    np.testing.assert_allclose(samples, [[1.0] * 3, [2.0] * 3])


def test_a_slower_machine_does_not_change_scaled_latencies():
    lengths = [0.004, 0.001, 0.003]
    calm = scale_to_reference(Machine().measure(lengths, 5), reference=4.0)
    slow = scale_to_reference(Machine(lambda run: 2.5).measure(lengths, 5), reference=4.0)
    np.testing.assert_allclose(calm, [1.0, 3.0])
    np.testing.assert_allclose(slow, calm)


def test_a_burst_in_some_rounds_does_not_count():
    burst = Machine(lambda run: 10.0 if 14 <= run < 18 else 1.0)
    np.testing.assert_allclose(scale_to_reference(burst.measure([0.004, 0.001], 9), 4.0), [1.0])
