"""Shrinking under a target: what it spares, and that it spares nothing without need."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SPACE, search_settings

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import genotype_of
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import TOLERANCE
from ssr_mmseg.search.cost_target import shrink_within_reach, towards_target, within_reach


def gates_of(seed: int, spread: float, space: SearchSpace = SPACE) -> ArchitectureParameters:
    torch.manual_seed(seed)
    gates = ArchitectureParameters(space)
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, spread)
    return gates


def cost_of(target: float, space: SearchSpace = SPACE):
    return build_cost({"type": "macs", "target": target}, space, 11, (64, 64))


@settings(max_examples=6)
@given(st.integers(0, 1000), st.sampled_from([0.4, 0.7, 0.95]))
def test_the_target_stays_within_reach_to_the_end(seed, target):
    gates, cost = gates_of(seed, 3), cost_of(target)
    for threshold in (0.3, 0.9, 0.999):  # one option is left wherever it may
        shrink_within_reach(gates, cost, threshold)
        assert within_reach(gates, cost)
    choice = gates.choice()
    towards_target(gates, choice, cost)
    assert cost.of(genotype_of(SPACE, choice)) == pytest.approx(cost.target, rel=TOLERANCE)


def test_it_is_plain_shrinking_where_the_target_is_not_at_risk():
    gates, plain = gates_of(0, 3), gates_of(0, 3)
    plain.shrink(0.9)
    cost = cost_of(0.7)
    cost.target = cost.of(genotype_of(SPACE, plain.choice()))
    shrink_within_reach(gates, cost, 0.9)
    for gate in GATES:
        assert torch.equal(gates.alive[gate], plain.alive[gate])


def test_a_target_out_of_reach_holds_nothing_up():
    space = SearchSpace.from_settings(search_settings(dimensions=["dilation"]))
    gates, cost = gates_of(0, 3, space), cost_of(0.1, space)
    assert not within_reach(gates, cost)
    assert shrink_within_reach(gates, cost, 0.999) > 0
    assert gates.decided
