"""Means, confidence intervals and paired tests over a few seeds, computed by SciPy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

SIGNED_RANK_PAIRS = 6  # fewer pairs cannot reach p < 0.05 in Wilcoxon's test, whose smallest p is 2^(1 − pairs)

LEVEL = 0.05  # of significance

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Result of a paired comparison, first minus second; None for figures that need more pairs."""

    pairs: int
    difference: float  # mean over the pairs
    interval: Interval | None  # of the mean difference, 95 %
    t_p: float | None  # two-sided, paired t-test
    wilcoxon_p: float | None  # two-sided, signed ranks
    effect: float | None  # Cohen's d_z: mean over standard deviation of the differences; None if they do not vary


def outcome(comparison: Comparison, p: float | None) -> str:
    """Return `larger` or `smaller` for a significant difference, `undetected`, or `untested` if there is no p-value.

    Args:
        p: p-value of the comparison, corrected for others if there are any.
    """
    if p is None:
        return "untested"
    if p >= LEVEL:
        return "undetected"
    return "larger" if comparison.difference > 0 else "smaller"


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, Interval | None]:
    """Return the mean and its t-interval, None for a single value.

    Raises:
        ValueError: There is no value.
    """
    if len(values) == 0:
        raise ValueError("expected at least one value to average, found none")
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * float(stats.sem(values))
    return mean, (mean - half, mean + half)


def compare_paired(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare two measures of the same seeds, in the same order.

    If no pair differs, p = 1.

    Raises:
        ValueError: The numbers of values differ or are 0.
    """
    if len(first) != len(second):
        raise ValueError(f"expected the same number of values on both sides, found {len(first)} and {len(second)}")
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
    """Apply Holm's step-down correction for several tests, in the given order; None stays None and is not counted.

    The k-th smallest p-value of m becomes the largest of (m − j + 1)·p_(j) over j ≤ k, at most 1.
    """
    ranked = sorted((p, index) for index, p in enumerate(p_values) if p is not None and not math.isnan(p))
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's τ of paired values."""

    tau: float  # NaN if one of the sides does not vary
    interval: Interval | None  # 95 %, by bootstrap percentiles; None if it cannot be computed
    p: float | None  # two-sided


def rank_correlation(first: Sequence[float], second: Sequence[float], samples: int = 2000) -> RankCorrelation:
    """Return Kendall's τ_b, with the percentile interval over bootstrap samples of the pairs, drawn with a fixed seed.

    Raises:
        ValueError: The numbers of values differ or are below 3.
    """
    if len(first) != len(second) or len(first) < 3:
        raise ValueError(f"expected at least 3 values on both sides, found {len(first)} and {len(second)}")
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    result = stats.kendalltau(a, b)
    if math.isnan(result.statistic):
        return RankCorrelation(math.nan, None, None)
    generator = np.random.default_rng(0)
    draws = generator.integers(len(a), size=(samples, len(a)))
    taus = np.array([stats.kendalltau(a[draw], b[draw]).statistic for draw in draws])
    low, high = np.nanpercentile(taus, [2.5, 97.5])
    return RankCorrelation(float(result.statistic), (float(low), float(high)), float(result.pvalue))


def expected_best(scores: Sequence[float], values: Sequence[float]) -> list[float]:
    """Return the expected value of the item with the highest score among n of the items, for n = 1 … all of them.

    The expectation is exact, over all subsets of n items: with the items sorted by score, the k-th is the best of a
    subset with probability C(k − 1, n − 1) / C(N, n). (Dodge et al. 2019, arXiv 1909.03004, draw with replacement.)
    """
    order = np.argsort(scores, kind="stable")
    ordered, total = np.asarray(values, dtype=float)[order], len(values)
    return [
        float(sum(ordered[k - 1] * math.comb(k - 1, n - 1) for k in range(n, total + 1)) / math.comb(total, n))
        for n in range(1, total + 1)
    ]
