"""Plans of `fit` on an imaginary device, whose times are proportional to pixels."""

import math
from collections.abc import Sequence

from ssr_mmseg.fit.lengths import Work
from ssr_mmseg.fit.measurements import StepTimes
from ssr_mmseg.fit.plan import BASELINES, Latencies, Limits, Plan, Probe, make_plan
from ssr_mmseg.fit.spaces import Space, input_sizes, read_spaces

PIXELS = 10_000  # to which the times below belong
SIZES = {"small": 1.0, "medium": 3.0, "large": 5.0}  # how much longer the networks of each space take


def latencies(space: Space, size: tuple[int, int]) -> Latencies:
    """Return times of a device that takes 0.5 to 1 ms for the small space."""
    factor = math.prod(size) / PIXELS
    return Latencies(0.5 * factor, 1.0 * factor * SIZES[space.name], 0.1 * factor)


def steps(space: Space, size: tuple[int, int]) -> StepTimes:
    """Return times of a device that takes 0.1 s for a step of the small space's search."""
    factor = SIZES[space.name] * math.prod(size) / PIXELS
    baselines = dict.fromkeys(BASELINES, 0.04 * factor)
    return StepTimes(0.1 * factor, 0.05 * factor, 0.04 * factor, 0.02 * factor, 0.06 * factor, baselines, 0.5 * factor)


PROBE = Probe(latencies, steps, lambda _: 100.0)
BASE = Work(None, 0.0, ("random", *BASELINES), (300, 60, 60), 8, 0.0, 8.0, 2)  # type: ignore[arg-type]


def plan(
    ms: float = 8.0, hours: float = 2.0, images: tuple[int, int] = (480, 640), sizes: Sequence | None = None
) -> Plan:
    """Plan for images of one size on the imaginary device."""
    return make_plan(Limits(ms, 3600 * hours), sizes or input_sizes(images), read_spaces(), PROBE, BASE)
