"""Time many things so that they can be compared: interleaved, and against a reference that is run among them."""

import time
from collections.abc import Callable, Sequence

import numpy as np

WARMUP_RUNS = 3


def interleave(
    steps: Sequence[Callable[[], object]],
    synchronise: Callable[[], None],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """Run all steps in turn, `rounds` times after a warm-up, so that a drift of the machine meets all of them alike.

    Args:
        steps: Each is one run; what it returns is ignored.
        synchronise: Waits until all work that a step started is done.
        clock: Monotonic time in seconds.

    Returns:
        Milliseconds, (steps, rounds).
    """
    samples = np.empty((len(steps), rounds))
    for step in steps:
        for _ in range(WARMUP_RUNS):
            step()
    for number in range(rounds):
        for index, step in enumerate(steps):
            synchronise()
            begin = clock()
            step()
            synchronise()
            samples[index, number] = 1000 * (clock() - begin)
    return samples


def against_reference(samples: np.ndarray, reference: float) -> np.ndarray:
    """Median latencies of all but the first step, in ms, as if the first had its median at `reference` ms.

    Args:
        samples: (1 + steps, rounds), the first row of the reference step.
    """
    medians = np.median(samples, axis=1)
    return medians[1:] * (reference / medians[0])
