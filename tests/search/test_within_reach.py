"""Shrinking with a target to hold keeps the options that the target needs, and no others."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SPACE, search_settings

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import TOLERANCE
from ssr_mmseg.search.cost_target import shrink_within_reach, towards_target, within_reach


def random_gates(seed: int, spread: float, space: SearchSpace = SPACE) -> ArchitectureParameters:
    torch.manual_seed(seed)
    gates = ArchitectureParameters(space)
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, spread)
    return gates


def macs_cost(target: float, space: SearchSpace = SPACE):
    return build_cost({"type": "macs", "target": target}, space, 11, (64, 64))


@settings(max_examples=6)
@given(st.integers(0, 1000), st.sampled_from([0.4, 0.7, 0.95]))
def test_the_target_stays_within_reach(seed, target):
    gates, cost = random_gates(seed, 3), macs_cost(target)
    for threshold in (0.3, 0.9, 0.999):  # with the last one, every group is decided if the target allows it
        shrink_within_reach(gates, cost, threshold)
        assert within_reach(gates, cost)
    choice = gates.choice()
    towards_target(gates, choice, cost)
    assert cost.of(build_genotype(SPACE, choice)) == pytest.approx(cost.target, rel=TOLERANCE)


def test_it_equals_plain_shrinking_if_the_target_stays_within_reach():
    gates, plain = random_gates(0, 3), random_gates(0, 3)
    plain.shrink(0.9)
    cost = macs_cost(0.7)
    cost.target = cost.of(build_genotype(SPACE, plain.choice()))
    shrink_within_reach(gates, cost, 0.9)
    for gate in GATES:
        assert torch.equal(gates.alive[gate], plain.alive[gate])


def test_a_target_out_of_reach_does_not_delay_shrinking():
    space = SearchSpace.from_settings(search_settings(dimensions=["dilation"]))
    gates, cost = random_gates(0, 3, space), macs_cost(0.1, space)
    assert not within_reach(gates, cost)
    assert shrink_within_reach(gates, cost, 0.999) > 0
    assert gates.decided
