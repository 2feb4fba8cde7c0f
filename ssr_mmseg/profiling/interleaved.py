"""Compare the latencies of many short steps: one run of each in turn, scaled by a reference step run among them.

Used for the latency table, which needs one median per step. `profiling/blocks.py` compares a few networks
instead, in blocks that each follow the whole timing protocol, and keeps percentiles and ratios.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np

WARMUP_RUNS = 3


def interleave(
    steps: Sequence[Callable[[], object]],
    synchronize: Callable[[], None],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """Run all steps in turn, `rounds` times after a warm-up, so that slow drifts of the machine affect all equally.

    Args:
        steps: One run each; return values are ignored.
        synchronize: Waits until all work that a step started is done.
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
            synchronize()
            begin = clock()
            step()
            synchronize()
            samples[index, number] = 1000 * (clock() - begin)
    return samples


def scale_to_reference(samples: np.ndarray, reference: float) -> np.ndarray:
    """Return the median latency in ms of every step after the first, scaled so that the first one's is `reference` ms.

    Args:
        samples: (1 + steps, rounds), with the reference step in the first row.
    """
    medians = np.median(samples, axis=1)
    return medians[1:] * (reference / medians[0])
