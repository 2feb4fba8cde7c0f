"""Means, intervals and paired tests for a handful of seeds. Pure functions on numbers; SciPy does the arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

SIGNED_RANK_PAIRS = 6  # fewer pairs cannot reach p < 0.05 in Wilcoxon's test: its least p is 2^(1 − pairs)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """First minus second, pair by pair; None where too few pairs allow no statement."""

    pairs: int
    difference: float  # mean over the pairs
    interval: Interval | None  # of the mean difference, 95 %
    t_p: float | None  # two-sided, paired t-test
    wilcoxon_p: float | None  # two-sided, signed ranks
    effect: float | None  # Cohen's d_z: mean over standard deviation of the differences; None if they do not vary


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, Interval | None]:
    """Mean, and its t-interval; a single value has none.

    Raises:
        ValueError: no value.
    """
    if len(values) == 0:
        raise ValueError("expected at least one value to average, found none")
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * float(stats.sem(values))
    return mean, (mean - half, mean + half)


def compare_paired(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare two figures that were measured on the same seeds, in the same order.

    Pairs without any difference have p = 1.

    Raises:
        ValueError: different or no numbers of values.
    """
    if len(first) != len(second):
        raise ValueError(f"expected as many values on both sides, found {len(first)} and {len(second)}")
    differences = np.subtract(first, second)
    mean, interval = mean_interval(differences.tolist())
    pairs = len(differences)
    if pairs < 2:
        return Comparison(pairs, mean, None, None, None, None)
    if not differences.any():
        return Comparison(pairs, mean, interval, 1.0, 1.0 if pairs >= SIGNED_RANK_PAIRS else None, None)
    deviation = float(np.std(differences, ddof=1))
    return Comparison(
        pairs,
        mean,
        interval,
        float(stats.ttest_rel(first, second).pvalue) if deviation else 0.0,
        float(stats.wilcoxon(differences).pvalue) if pairs >= SIGNED_RANK_PAIRS else None,
        mean / deviation if deviation else None,
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction for several tests, in the order given; None stays None and counts for no test.

    The k-th smallest of m becomes the largest of (m − j + 1)·p_(j) over j ≤ k, at most 1.
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None and not math.isnan(p))
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = largest
    return adjusted
