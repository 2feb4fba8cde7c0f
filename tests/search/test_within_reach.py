"""Shrinking with a target to hold keeps the options that the target needs, and no others."""

from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spaces import SPACE, search_settings

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import TOLERANCE
from ssr_mmseg.search.cost_target import remove_dead_ends, shrink_within_reach, towards_target, within_reach


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
    remove_dead_ends(gates, cost)
    assert gates.groups()["operator"]["exist"] == 5, "no group has lost its last option"
    assert shrink_within_reach(gates, cost, 0.999) > 0
    assert gates.decided


def few_survivors(seed: int) -> ArchitectureParameters:
    """Return gates shrunk until their survivors form at most 300 networks."""
    gates = random_gates(seed, 3)
    for threshold in np.linspace(0.5, 1, 100, endpoint=False):
        if prod(int(n) for alive in gates.alive.values() for n in alive.sum(dim=-1).flatten() if n) <= 300:
            break
        gates.shrink(threshold)
    return gates


def networks(gates: ArchitectureParameters) -> list[dict[str, np.ndarray]]:
    """Return the choices of all networks among the survivors."""
    groups = [(gate, tuple(g)) for gate, alive in gates.alive.items() for g in torch.nonzero(alive.any(-1)).tolist()]
    result = []
    for options in product(*(torch.nonzero(gates.alive[gate][group]).flatten().tolist() for gate, group in groups)):
        result.append(gates.choice())
        for (gate, group), option in zip(groups, options, strict=True):
            result[-1][gate][group] = option
    return result


def cost_of_one(choices: list[dict[str, np.ndarray]], position: float):
    """Return the cost whose target is that of one of the networks, chosen by its position from 0 to 1."""
    cost = macs_cost(0.5)
    cost.target = cost.of(build_genotype(SPACE, choices[int(position * (len(choices) - 1))]))
    return cost


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_every_option_that_is_left_is_of_a_network_near_the_target(seed, position):
    gates = few_survivors(seed)
    cost = cost_of_one(networks(gates), position)
    remove_dead_ends(gates, cost)
    near = [c for c in networks(gates) if abs(cost.of(build_genotype(SPACE, c)) / cost.target - 1) <= TOLERANCE]
    for gate, alive in gates.alive.items():
        for *group, option in torch.nonzero(alive & (alive.sum(dim=-1, keepdim=True) > 1)).tolist():
            assert any(choice[gate][tuple(group)] == option for choice in near)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_search_that_prefers_an_unreachable_network_is_decided_all_the_same(seed, position):
    gates = few_survivors(seed)
    cost = cost_of_one(networks(gates), position)
    assume(within_reach(gates, cost))  # changing one option at a time may miss the network that exists
    for _ in range(3):
        shrink_within_reach(gates, cost, 0.99999)
    assert gates.decided
    assert cost.of(build_genotype(SPACE, gates.choice())) == pytest.approx(cost.target, rel=TOLERANCE)
