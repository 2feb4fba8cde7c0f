"""Random networks have the wanted cost on average and are spread over the space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selection_tasks import MACS, SPACE

from ssr_mmseg.architecture.genotype import build_genotype, find_choice
from ssr_mmseg.costs.base import extremes
from ssr_mmseg.search.selection.draws import Draws, draw_near, option_sizes

LOW, HIGH = map(MACS, extremes(SPACE, MACS))


def draws(share: float, seed: int = 0) -> tuple[Draws, float]:
    target = LOW + share * (HIGH - LOW)
    return Draws(SPACE, MACS, target, np.random.default_rng(seed)), target


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
def test_the_mean_cost_of_the_draws_is_the_target(share):
    source, target = draws(share)
    costs = [MACS(build_genotype(SPACE, choice)) for _, choice in zip(range(400), source, strict=False)]
    assert np.mean(costs) == pytest.approx(target, rel=0.06)


def test_draws_are_uniform_without_a_tilt_and_small_at_the_lower_edge():
    choices = [choice for _, choice in zip(range(3000), draws(0.0)[0], strict=False)]
    source, _ = draws(0.5)
    source.tilt = 0.0
    uniform = [choice for _, choice in zip(range(3000), source, strict=False)]
    counts = np.bincount([choice["mid_width"][3, 2] for choice in uniform], minlength=9)
    assert np.abs(counts / 3000 - 1 / 9).max() < 0.03
    small = np.bincount([choice["mid_width"][3, 2] for choice in choices], minlength=9)
    assert small[0] > 0.7 * 3000  # at the lower edge of the space


@given(st.floats(0.02, 0.98), st.integers(0, 100))
def test_a_network_near_the_target_is_drawn_anywhere_in_the_space(share, seed):
    source, target = draws(share, seed)
    network = draw_near(source, lambda genotype: abs(MACS(genotype) / target - 1), 0.02, 2000)
    assert abs(MACS(network) / target - 1) <= 0.02
    assert build_genotype(SPACE, find_choice(SPACE, network)).stages == network.stages


def test_without_a_near_one_the_nearest_is_taken():
    source, target = draws(0.4)
    distances = []

    def distance(genotype):
        distances.append(abs(MACS(genotype) / target - 1))
        return distances[-1]

    network = draw_near(source, distance, 0.0, 25)
    assert len(distances) == 25
    assert abs(MACS(network) / target - 1) == min(distances)


def test_sizes_of_operators_follow_from_their_resolution_alone():
    sizes = option_sizes(SPACE, "operator")
    assert {(r, size) for (_, r), size in zip(SPACE.operators, sizes, strict=True)} == {(1, 1.0), (2, 0.0)}
    assert option_sizes(SPACE, "out_width").tolist() == [k / 8 for k in range(9)]
