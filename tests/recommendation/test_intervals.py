"""Bootstrap intervals: a naive computation gives the same, and they cover what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_counts import random_counts

from ssr_mmseg.recommendation.intervals import (
    class_intervals,
    class_iou,
    draw_weights,
    lead,
    mean_iou,
    miou_interval,
)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_resamples_are_those_of_naive_loops(images, classes, seed):
    counts, weights = random_counts(images, classes, seed), draw_weights(images, 20)
    assert (weights.sum(axis=1) == images).all()
    values = []
    for row in weights:
        drawn = [image for image, times in enumerate(row) for _ in range(times)]
        total = sum(counts[image] for image in drawn)
        shares = [i / (p + t - i) for i, p, t in total.tolist() if p + t - i]
        values.append(100 * sum(shares) / len(shares) if shares else np.nan)
    assert mean_iou(np.tensordot(weights, counts, axes=1)) == pytest.approx(values, nan_ok=True)


def test_a_class_that_does_not_occur_has_no_interval_and_does_not_count():
    counts = random_counts(6, 3, seed=1)
    counts[:, 1] = 0
    assert class_intervals(counts)[1] is None
    assert np.isnan(class_iou(counts.sum(axis=0))[1])
    assert miou_interval(counts).value == pytest.approx(miou_interval(counts[:, [0, 2]]).value)


def test_a_network_leads_itself_by_nothing_and_a_better_one_by_its_lead():
    worse, better = (random_counts(40, 4, seed=2, quality=quality) for quality in (0.5, 0.8))
    same = lead(worse, worse)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert not same.excludes_zero
    ahead = lead(better, worse)
    assert ahead.excludes_zero
    assert ahead.low < ahead.value < ahead.high
    assert ahead.value == pytest.approx(-lead(worse, better).value)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    population = random_counts(5000, 3, seed=3)
    truth = float(mean_iou(population.sum(axis=0)))
    generator = np.random.default_rng(4)
    covered = 0
    for _ in range(100):
        interval = miou_interval(population[generator.integers(0, len(population), 40)])
        covered += interval.low <= truth <= interval.high
    assert 85 <= covered <= 100
