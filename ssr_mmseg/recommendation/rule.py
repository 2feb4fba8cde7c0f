"""The rule of the recommendation.

Among the networks whose settled latency is within the limit, the one with the best accuracy on val is compared with
each other one on the same images. Those that it does not lead beyond chance are tied with it, and of the tied ones the
fastest is recommended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ssr_mmseg.recommendation.intervals import Interval, lead, mean_iou


class Verdict(StrEnum):
    """What became of a network."""

    RECOMMENDED = "recommended"
    TIED = "as accurate, but slower"
    LESS_ACCURATE = "less accurate"
    TOO_SLOW = "too slow"
    UNSETTLED = "its latency did not settle"
    NOT_TIMED = "not timed"


@dataclass(frozen=True)
class Candidate:
    """A trained network.

    Attributes:
        label: Name in the table.
        seed: Seed of its training.
        counts: Pixels in intersection, prediction and label of each image of val, (images, classes, 3).
        latency_ms: Median latency; None if it was not timed.
        settled: Whether the latency settled.
    """

    label: str
    seed: int
    counts: np.ndarray
    latency_ms: float | None
    settled: bool

    @property
    def miou(self) -> float:
        """Mean IoU on val, in percent."""
        return float(mean_iou(self.counts.sum(axis=0)))


@dataclass(frozen=True)
class Ranked:
    """A candidate with its verdict.

    Attributes:
        candidate: The network.
        verdict: What became of it.
        behind: What it is behind the most accurate network within the limit, in points; None for that network, and for
            those that are not compared.
    """

    candidate: Candidate
    verdict: Verdict
    behind: Interval | None = None


def rank(candidates: Sequence[Candidate], limit: float | None) -> list[Ranked]:
    """Apply the rule; the recommended network, if there is one, is first, then those within the limit by accuracy.

    Args:
        candidates: Networks that were evaluated on the same images.
        limit: Milliseconds per image; None for any.
    """
    out = [Ranked(candidate, verdict) for candidate in candidates if (verdict := _excluded(candidate, limit))]
    within = [candidate for candidate in candidates if _excluded(candidate, limit) is None]
    if not within:
        return sorted(out, key=_order)
    best = max(within, key=lambda candidate: candidate.miou)
    behind = {id(one): lead(best.counts, one.counts) for one in within if one is not best}
    tied = [one for one in within if one is best or not behind[id(one)].excludes_zero]
    fastest = min(tied, key=lambda candidate: (candidate.latency_ms or 0.0, -candidate.miou))
    ranked = []
    for one in within:
        verdict = Verdict.TIED if any(one is other for other in tied) else Verdict.LESS_ACCURATE
        ranked.append(Ranked(one, Verdict.RECOMMENDED if one is fastest else verdict, behind.get(id(one))))
    return sorted(ranked + out, key=_order)


def _excluded(candidate: Candidate, limit: float | None) -> Verdict | None:
    if candidate.latency_ms is None:
        return Verdict.NOT_TIMED
    if not candidate.settled:
        return Verdict.UNSETTLED
    return Verdict.TOO_SLOW if limit is not None and candidate.latency_ms > limit else None


def _order(ranked: Ranked) -> tuple[int, float]:
    place = list(Verdict).index(ranked.verdict)
    return (1 if ranked.verdict in (Verdict.TIED, Verdict.LESS_ACCURATE) else place), -ranked.candidate.miou
