import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SPACE, random_supernet

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import random_choice
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.utils.errors import UserError


def random_gates(seed: int, scale: float = 2.0, scores: str = "sigmoid") -> ArchitectureParameters:
    torch.manual_seed(seed)
    gates = ArchitectureParameters(SPACE, scores)
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, scale)
    return gates


def test_probabilities_are_normalized_sigmoids():
    gates = random_gates(0)
    alpha = gates.alpha["operator"].detach().numpy()
    sigmoid = 1 / (1 + np.exp(-alpha))
    expected = sigmoid / sigmoid.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(gates.probabilities()["operator"].detach().numpy(), expected, rtol=1e-5)


def test_softmax_gates_are_softmax():
    gates = random_gates(0, scores="softmax")
    expected = torch.softmax(gates.alpha["mid_width"], dim=-1)
    torch.testing.assert_close(gates.probabilities()["mid_width"], expected)


def test_unknown_scores_are_refused():
    with pytest.raises(UserError, match="unknown gate 'relu'; choose one of: sigmoid, softmax"):
        ArchitectureParameters(SPACE, "relu")


@settings(max_examples=30)
@given(st.integers(0, 2**31 - 1), st.floats(0.01, 0.99), st.integers(1, 4))
def test_shrinking_removes_by_the_rule_and_never_empties_a_group(seed, threshold, rounds):
    gates = random_gates(seed, scale=4.0)
    for _ in range(rounds):
        before = {gate: alive.clone() for gate, alive in gates.alive.items()}
        probabilities = {gate: p.detach() for gate, p in gates.probabilities().items()}
        removed = gates.shrink(threshold)
        assert removed == sum(int((before[g] & ~gates.alive[g]).sum()) for g in GATES)
        for gate, alive in gates.alive.items():
            assert not bool((alive & ~before[gate]).any()), "no option may be revived"
            p = probabilities[gate]
            survives = before[gate] & (p > threshold * p.amax(dim=-1, keepdim=True))
            exists = alive.any(dim=-1)
            assert torch.equal(alive[exists], survives[exists])
        check_hierarchy(gates)


def check_hierarchy(gates: ArchitectureParameters) -> None:
    first = 0
    for index, stage in enumerate(SPACE.stages):
        deepest = max(k for k in range(stage.blocks) if gates.alive["depth"][index, k])
        for k in range(stage.blocks):
            assert bool(gates.alive["operator"][first + k].any()) == (k <= deepest)
        first += stage.blocks
    for gate in ("mid_width", "out_width"):
        assert torch.equal(gates.alive[gate].any(dim=-1), gates.alive["operator"])


def test_probabilities_of_the_survivors_sum_to_one_and_removed_groups_to_zero():
    gates = random_gates(5, scale=4.0)
    gates.shrink(0.5)
    for gate, p in gates.probabilities().items():
        total = p.sum(dim=-1)
        torch.testing.assert_close(total, gates.alive[gate].any(dim=-1).float())
        assert not bool(p[~gates.alive[gate]].any())


def test_decided_counts_only_groups_that_exist():
    gates = random_gates(1)
    assert not gates.decided
    with gates.one_hot():
        assert gates.decided
        assert gates.gates_decided() == 1.0
        assert all(value == 0 for value in gates.entropy().values())
    assert not gates.decided


def test_one_hot_gates_keep_the_hierarchy():
    """No option is alive in a dropped block or in an operator that is not chosen."""
    choice = random_choice(SPACE, np.random.default_rng(2))
    choice["depth"][:] = 0
    gates = random_gates(1)
    with gates.one_hot(choice):
        kept = [0, SPACE.stages[0].blocks]  # the first block of each stage
        for gate in ("operator", "mid_width", "out_width"):
            alive = gates.alive[gate].flatten(1)
            assert alive.any(dim=1).nonzero().flatten().tolist() == kept
            assert alive.sum(dim=1)[kept].tolist() == [1, 1]


def test_one_hot_restores_the_survivors_even_after_an_error():
    gates = random_gates(2)
    before = {gate: alive.clone() for gate, alive in gates.alive.items()}
    choice = random_choice(SPACE, np.random.default_rng(0))

    def fail() -> None:
        with gates.one_hot(choice):
            assert gates.options_alive()["depth"] == len(SPACE.stages)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(torch.equal(before[gate], alive) for gate, alive in gates.alive.items())


def test_entropy_of_fresh_gates_is_that_of_uniform_choices():
    entropy = ArchitectureParameters(SPACE).entropy()
    assert entropy["operator"] == pytest.approx(np.log(4))
    assert entropy["mid_width"] == pytest.approx(np.log(4))
    assert entropy["depth"] == pytest.approx((np.log(2) + np.log(3)) / 2)


@pytest.mark.parametrize("gate", ["depth", "operator", "mid_width"])
@pytest.mark.parametrize(("value", "largest"), [(float("nan"), "nan"), (-1e4, "0")])
def test_an_error_names_the_group_that_would_be_emptied_and_nothing_is_removed(gate, value, largest):
    gates = random_gates(3, scale=4.0)
    before = gates.options_alive()
    with torch.no_grad():
        gates.alpha[gate][(1,) * (gates.alpha[gate].dim() - 1)] = value  # σ(-10⁴) is 0 in single precision
    place = {"depth": "stage 2", "operator": "block 2", "mid_width": "block 2, operator 2"}[gate]
    with pytest.raises(
        UserError, match=f"every option of gate {gate} of {place}, whose largest probability is {largest};"
    ):
        gates.shrink(0.1)
    assert gates.options_alive() == before


def test_dead_options_are_part_of_the_state():
    gates = random_gates(3, scale=4.0)
    gates.shrink(0.5)
    fresh = ArchitectureParameters(SPACE)
    fresh.load_state_dict(gates.state_dict())
    assert fresh.options_alive() == gates.options_alive()


def test_the_gate_of_a_dimension_that_is_not_searched_gets_no_gradient():
    space = SearchSpace(SPACE.stages, SPACE.dilations, SPACE.resolutions, SPACE.width_options, ("depth", "dilation"))
    gates = ArchitectureParameters(space)
    gates.probabilities()["out_width"].square().sum().backward()
    assert not bool(gates.alpha["out_width"].grad.any())


def test_the_gates_are_parameters_of_a_supernet():
    names = {name for name, _ in random_supernet(0).named_parameters() if "alpha" in name}
    assert names == {f"architecture.alpha.{gate}" for gate in GATES}
