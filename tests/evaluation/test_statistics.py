"""Statistics over seeds, compared with calculations by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ssr_mmseg.evaluation.statistics import compare_paired, expected_best, holm, mean_interval, rank_correlation

P_VALUES = st.lists(st.floats(0, 1), max_size=6)


def test_the_interval_is_students_t():
    values = [2.0, 4.0, 9.0]
    mean, (low, high) = mean_interval(values)
    half = 4.302652729911275 * np.std(values, ddof=1) / math.sqrt(3)  # the 97.5 % point of t with 2 degrees
    assert mean == 5.0
    assert (low, high) == pytest.approx((5.0 - half, 5.0 + half))
    assert mean_interval(values, 0.5)[1][1] < high


def test_few_or_equal_values():
    assert mean_interval([3.0]) == (3.0, None)
    assert mean_interval([3.0, 3.0]) == (3.0, (3.0, 3.0))
    with pytest.raises(ValueError, match="at least one value"):
        mean_interval([])


def test_the_interval_covers_the_mean_at_its_confidence():
    samples = np.random.default_rng(0).normal(7.0, 2.0, (2000, 4))
    hits = sum(low <= 7.0 <= high for _, (low, high) in map(mean_interval, samples.tolist()))
    assert hits / len(samples) == pytest.approx(0.95, abs=0.02)


def test_a_paired_comparison_by_hand():
    first, second = [1.0, 2.0, 4.0, 3.0], [4.0, 4.0, 5.0, 7.0]  # differences −3, −2, −1, −4
    result = compare_paired(first, second)
    t = -2.5 / (math.sqrt(5 / 3) / 2)
    assert (result.pairs, result.difference) == (4, -2.5)
    assert result.t_p == pytest.approx(2 * stats.t.sf(abs(t), 3))
    assert result.effect == pytest.approx(-2.5 / math.sqrt(5 / 3))
    assert result.interval == pytest.approx(stats.ttest_rel(first, second).confidence_interval(0.95))
    assert result.wilcoxon_p is None


def test_signed_ranks_from_six_pairs_on():
    differences = [-1.0, -2.0, 3.0, -4.0, -5.0, -6.0]
    sums = [
        sum(rank for rank, s in zip(range(1, 7), signs, strict=True) if s)
        for signs in itertools.product((0, 1), repeat=6)
    ]
    expected = 2 * sum(total <= 3 for total in sums) / len(sums)  # 3 is the rank of the one positive difference
    assert compare_paired(differences, [0.0] * 6).wilcoxon_p == pytest.approx(expected)


def test_one_pair_is_not_tested():
    result = compare_paired([1.0], [3.0])
    figures = result.difference, result.interval, result.t_p, result.wilcoxon_p, result.effect
    assert figures == (-2.0, None, None, None, None)


def test_differences_that_do_not_vary():
    same = compare_paired([1.0] * 6, [1.0] * 6)
    assert (same.t_p, same.wilcoxon_p, same.effect) == (1.0, 1.0, None)
    shifted = compare_paired([1.0] * 6, [2.0] * 6)
    assert (shifted.t_p, shifted.effect) == (0.0, None)
    assert shifted.wilcoxon_p == pytest.approx(2 / 64)


def test_swapping_the_sides_changes_signs_only():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 8)).tolist()
    ours, theirs = compare_paired(first, second), compare_paired(second, first)
    assert (ours.difference, ours.effect) == pytest.approx((-theirs.difference, -theirs.effect))
    assert (ours.t_p, ours.wilcoxon_p) == pytest.approx((theirs.t_p, theirs.wilcoxon_p))


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0, 2.0]), ([], [])])
def test_different_numbers_of_values_are_refused(first, second):
    with pytest.raises(ValueError, match="expected"):
        compare_paired(first, second)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, None, 0.5]) == [0.8, None, 0.8]
    assert holm([None]) == [None]


@given(P_VALUES)
def test_holm_rejects_the_hypotheses_of_its_step_down_rule(p_values):
    rejected = set()
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - rank) > 0.05:
            break
        rejected.add(index)
    adjusted = holm(p_values)
    assert {index for index, p in enumerate(adjusted) if p <= 0.05} == rejected
    assert all(p <= corrected <= min(1.0, len(p_values) * p) for p, corrected in zip(p_values, adjusted, strict=True))


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=7, unique_by=lambda pair: pair[0]))
def test_the_expected_best_is_the_mean_over_all_subsets(pairs):
    scores, values = zip(*pairs, strict=True)
    expected = expected_best(scores, values)
    for count in range(1, len(pairs) + 1):
        chosen = [max(subset)[1] for subset in itertools.combinations(pairs, count)]
        assert expected[count - 1] == pytest.approx(np.mean(chosen))


def test_rank_correlation_is_kendalls_tau():
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 1.0, 3.0, 4.0, 6.0, 5.0]
    result = rank_correlation(first, second)
    assert result.tau == pytest.approx(11 / 15)  # 13 pairs in order and 2 not
    assert result.p == pytest.approx(stats.kendalltau(first, second).pvalue)
    assert result.interval[0] <= result.tau <= result.interval[1]
    assert rank_correlation(first, second) == result
    assert math.isnan(rank_correlation(first, [1.0] * 6).tau)
    with pytest.raises(ValueError, match="at least 3 values on both sides, found 6 and 2"):
        rank_correlation(first, [1.0, 2.0])


def test_the_interval_of_a_rank_correlation_covers_it():
    generator, hits = np.random.default_rng(0), 0
    truth = 1 / 3  # Kendall's τ of a normal distribution with correlation ½: 2/π · arcsin ½
    for _ in range(60):
        x, y = generator.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=40).T
        low, high = rank_correlation(x, y, samples=200).interval
        hits += low <= truth <= high
    assert hits >= 50
