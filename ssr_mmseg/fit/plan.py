"""Plan of an experiment: input size, search space, aim and lengths, from measurements on this device."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ssr_mmseg.costs.macs import Macs
from ssr_mmseg.fit.lengths import GOOD, LEAST, Lengths, Work, fit_lengths, forecast
from ssr_mmseg.fit.measurements import StepTimes
from ssr_mmseg.fit.spaces import Space
from ssr_mmseg.settings.cost_targets import HOLD
from ssr_mmseg.utils.errors import UserError

REACH = 0.9  # share of the allowed time that the search aims at: it ends within 10 % of its aim
LEAST_RANGE = 1.1  # the aim must be this many times what the fastest network of the space takes
NARROW = 0.75  # share of the largest network's time, from which few networks are too slow: see `Latencies.narrow`
BASELINES = ("fast_scnn",)  # trained to compare with; the fastest of the shipped baselines


@dataclass(frozen=True)
class Limits:
    """What the user asks for.

    Attributes:
        ms: Milliseconds per image that the network may take.
        seconds: Time that the whole run may take.
    """

    ms: float
    seconds: float


@dataclass(frozen=True)
class Latencies:
    """Times of one space's extreme networks at one size, in milliseconds.

    Attributes:
        smallest: About the fastest network.
        largest: The network of full depth and width.
        labels: What the step from logits to labels in the exported file takes besides.
    """

    smallest: float
    largest: float
    labels: float

    def scaled(self, factor: float) -> "Latencies":
        """Return the times for inputs of `factor` times as many pixels."""
        return Latencies(self.smallest * factor, self.largest * factor, self.labels * factor)

    def aim(self, limit: float) -> float:
        """Return what a search may aim at: less than the limit, and within reach of the space."""
        within_space = max(REACH * self.largest, min(LEAST_RANGE * self.smallest, self.largest))
        return min(REACH * (limit - self.labels), within_space)

    def narrow(self, limit: float) -> bool:
        """Whether the aim is so near the largest network that multiply-adds hold a search to it well enough.

        A latency table takes minutes, and what it predicts for the largest network may be less than was measured here.
        """
        return self.aim(limit) > NARROW * self.largest

    def capped(self, limit: float) -> bool:
        """Whether even the largest network takes less than a search may aim at."""
        return self.largest < limit - self.labels


@dataclass(frozen=True)
class Plan:
    """The choices of a plan.

    Attributes:
        size: Height and width of the networks' input.
        space: The search space.
        limit: Milliseconds that are allowed.
        aim: Milliseconds that the search is held to.
        latencies: Measured times of the space's extremes at that size.
        work: What the forecast rests on.
        lengths: Lengths, with the forecast.
        notes: Sentences on what was cut, for the user.
    """

    size: tuple[int, int]
    space: Space
    limit: float
    aim: float
    latencies: Latencies
    work: Work
    lengths: Lengths
    notes: list[str] = field(default_factory=list)

    def cost(self, classes: int) -> dict[str, Any]:
        """Return the section `search.cost` that leads to the aim."""
        if not self.latencies.narrow(self.limit):
            return {"type": "latency", "target_ms": round(self.aim, 3)}
        macs = Macs(1.0, self.space.search_space, classes, self.size)
        least = macs.of(self.space.extremes()[0]) / macs.reference
        return {"type": "macs", "target": round(least + self.work.share * (1 - least), 2), "hold": HOLD}


@dataclass(frozen=True)
class Probe:
    """Functions that measure; a test gives others.

    Attributes:
        latencies: Times of a space's extremes at a size.
        steps: Seconds per step in a space at a size.
        table: Seconds that a space's latency table takes.
    """

    latencies: Callable[[Space, tuple[int, int]], Latencies]
    steps: Callable[[Space, tuple[int, int]], StepTimes]
    table: Callable[[Space], float]


def make_plan(
    limits: Limits, sizes: Sequence[tuple[int, int]], spaces: Sequence[Space], probe: Probe, base: Work
) -> Plan:
    """Choose the largest input whose networks are fast enough and can be trained in time, then the space and lengths.

    Args:
        limits: What is asked for.
        sizes: Input sizes to choose from, the largest first.
        spaces: Search spaces to choose from, the smallest first.
        probe: How to measure.
        base: What is known of the run; its step times, table and share are replaced.

    Raises:
        UserError: No network of the spaces is fast enough, or even the shortest run takes longer than allowed.
    """
    trial = sizes[-1]
    for size in sizes:  # a small one is measured quickly, and times grow with the pixels
        if math.prod(size) <= 20_000:
            trial = size
            break
    measured: dict[str, tuple[Latencies, StepTimes, float]] = {}

    def known(space: Space) -> tuple[Latencies, StepTimes, float]:
        if space.name not in measured:
            measured[space.name] = (probe.latencies(space, trial), probe.steps(space, trial), probe.table(space))
        return measured[space.name]

    def work_at(space: Space, size: tuple[int, int]) -> tuple[Latencies, Work]:
        latencies, steps, table = known(space)
        factor = math.prod(size) / math.prod(trial)
        times = latencies.scaled(factor)
        table = 0.0 if times.narrow(limits.ms) else table
        return times, replace(base, steps=steps.scaled(factor), table=table, share=share(times, times.aim(limits.ms)))

    small = spaces[0]
    fast = [size for size in sizes if _reachable(work_at(small, size)[0], limits.ms)]
    if not fast:
        least = work_at(small, sizes[-1])[0]
        raise UserError(
            f"even at {sizes[-1][0]}x{sizes[-1][1]} pixels the fastest network takes about "
            f"{least.smallest + least.labels:.2g} ms on this device, expected less than {limits.ms:g} ms; raise --ms, "
            "or choose another --backend"
        )
    for steps in (GOOD, LEAST):
        trainable = [size for size in fast if forecast(work_at(small, size)[1], steps).seconds <= limits.seconds]
        if trainable:
            break
    else:
        least_hours = forecast(work_at(small, fast[-1])[1], LEAST).seconds / 3600
        raise UserError(
            f"even the shortest run takes about {least_hours:.2g} hours here, expected at most "
            f"{limits.seconds / 3600:.2g}; raise --hours"
        )
    for size in trainable:
        space = _choose_space(limits, size, spaces, work_at)
        plan = _finish(limits, size, space, probe, work_at(space, size)[1])
        if plan is not None:
            return replace(plan, notes=[*_size_notes(limits, size, sizes, fast), *plan.notes])
    raise UserError(
        f"a plan that was forecast to fit was measured to take longer than {limits.seconds / 3600:.2g} hours, or "
        f"{limits.ms:g} ms; run again on a quiet machine, or raise --hours or --ms"
    )


def _choose_space(limits: Limits, size: tuple[int, int], spaces: Sequence[Space], work_at: Callable) -> Space:
    """Return the smallest space that has networks as slow as allowed, or else the largest that can be searched."""
    space = spaces[0]
    for larger in spaces[1:]:
        if not work_at(space, size)[0].capped(limits.ms):
            break
        latencies, work = work_at(larger, size)
        if not _reachable(latencies, limits.ms) or forecast(work, GOOD).seconds > limits.seconds:
            break
        space = larger
    return space


def _size_notes(
    limits: Limits, size: tuple[int, int], sizes: Sequence[tuple[int, int]], fast: Sequence[tuple[int, int]]
) -> list[str]:
    """Return why the input is smaller than the images."""
    if size != fast[0]:
        larger = f"{fast[0][0]}x{fast[0][1]}"
        return [f"networks for {larger} pixels may be fast enough, too, but need longer training than --hours allows"]
    if size != sizes[0]:
        return [f"images are shrunk to {size[0]}x{size[1]} pixels, about the largest size for {limits.ms:g} ms"]
    return []


def share(latencies: Latencies, aim: float) -> float:
    """Return where an aim lies between the fastest network of a space (0) and its largest (1)."""
    span = max(latencies.largest - latencies.smallest, 1e-9)
    return min(1.0, max(0.0, (aim - latencies.smallest) / span))


def _reachable(latencies: Latencies, limit: float) -> bool:
    return REACH * (limit - latencies.labels) >= LEAST_RANGE * latencies.smallest


def _finish(limits: Limits, size: tuple[int, int], space: Space, probe: Probe, estimate: Work) -> Plan | None:
    """Measure at the chosen size, and choose the aim and the lengths; None if they do not fit after all."""
    latencies = probe.latencies(space, size)
    if not _reachable(latencies, limits.ms):
        return None
    aim = latencies.aim(limits.ms)
    table = 0.0 if latencies.narrow(limits.ms) else probe.table(space)
    work = replace(estimate, steps=probe.steps(space, size), share=share(latencies, aim), table=table)
    lengths = fit_lengths(work, limits.seconds)
    if lengths is None:
        return None
    notes = []
    if latencies.capped(limits.ms):
        notes.append(
            f"every network of the space takes less than {limits.ms:g} ms here; larger images or a larger space need "
            "more --hours"
        )
    if "random" not in lengths.networks:
        notes.append("no time for a random network of the same latency, which would show what the search adds")
    return Plan(size, space, limits.ms, aim, latencies, work, lengths, notes)
