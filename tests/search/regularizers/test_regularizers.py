"""Properties of every regularizer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.search.regularizers import REGULARIZERS, build_regularizer
from ssr_mmseg.utils.errors import UserError

NAMES = sorted({kind: name for name, kind in REGULARIZERS.module_dict.items()}.values())  # one name of each class
every_regularizer = pytest.mark.parametrize("name", NAMES)
SCORES = {"sigmoid": torch.sigmoid, "softmax": torch.exp}
every_gate = pytest.mark.parametrize("scores", sorted(SCORES))


def test_every_regularizer_has_the_name_of_its_class_and_a_bare_name():
    names = ("beta_decay", "entropy", "none", "ssr", "zero_one")
    assert set(NAMES) >= set(names)
    for class_name, name in zip(("BetaDecay", "Entropy", "NoRegularizer", "SSR", "ZeroOne"), names, strict=True):
        assert REGULARIZERS.module_dict[class_name] is REGULARIZERS.module_dict[name]
        assert type(build_regularizer({"type": class_name})) is type(build_regularizer(name))


def test_arguments_that_a_regularizer_does_not_take_are_one_line():
    with pytest.raises(UserError, match=r"regularizer SSR: .*; its arguments are: none"):
        build_regularizer({"type": "SSR", "weight": 3})


def probabilities(alpha: torch.Tensor, alive: torch.Tensor, scores: str = "sigmoid") -> torch.Tensor:
    highest = torch.where(alive, alpha, -torch.inf).amax(dim=-1, keepdim=True).detach().nan_to_num(neginf=0.0)
    shift = highest if scores == "softmax" else 0.0
    weighed = torch.where(alive, SCORES[scores](torch.where(alive, alpha - shift, 0.0)), 0.0)
    total = weighed.sum(dim=-1, keepdim=True)
    return weighed / torch.where(total > 0, total, 1.0)


def random_groups(seed: int, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """α and survivors of 3 × 4 groups of 5 options; group (0, 0) is removed, group (0, 1) decided."""
    generator = torch.Generator().manual_seed(seed)
    alpha = scale * torch.randn(3, 4, 5, dtype=torch.double, generator=generator)
    alive = torch.rand(3, 4, 5, generator=generator) < 0.6
    alive[..., 0] |= ~alive.any(dim=-1)
    alive[0, 0] = False
    alive[0, 1] = torch.arange(5) == 2
    return alpha.requires_grad_(), alive


def regularizer_loss(name: str, alpha: torch.Tensor, alive: torch.Tensor, scores: str = "sigmoid") -> torch.Tensor:
    return build_regularizer(name)(alpha, probabilities(alpha, alive, scores), alive)


@every_regularizer
@every_gate
def test_it_is_a_finite_scalar_with_gradients_on_survivors_only(name, scores):
    alpha, alive = random_groups(0)
    loss = regularizer_loss(name, alpha, alive, scores)
    assert loss.shape == ()
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(alpha.grad).all())
    assert not bool(alpha.grad[~alive].any())
    assert bool(alpha.grad[alive].any()) == (name != "none")


@every_regularizer
@every_gate
def test_its_gradient_is_that_of_finite_differences(name, scores):
    alpha, alive = random_groups(1)
    assert torch.autograd.gradcheck(lambda a: regularizer_loss(name, a, alive, scores), (alpha,))


@every_regularizer
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31 - 1), dead_alpha=st.sampled_from([-1e4, -3.0, 0.0, 5.0, 1e4]))
def test_dead_options_and_removed_groups_change_nothing(name, seed, dead_alpha):
    alpha, alive = random_groups(seed)
    expected = regularizer_loss(name, alpha, alive)
    more = torch.cat([alpha, alpha.new_full((3, 4, 2), dead_alpha)], dim=-1)
    more_alive = torch.cat([alive, alive.new_zeros(3, 4, 2)], dim=-1)
    torch.testing.assert_close(regularizer_loss(name, more, more_alive), expected)
    groups = torch.cat([alpha, alpha.new_full((1, 4, 5), dead_alpha)])
    groups_alive = torch.cat([alive, alive.new_zeros(1, 4, 5)])
    torch.testing.assert_close(regularizer_loss(name, groups, groups_alive), expected)


@every_regularizer
def test_it_is_zero_where_no_group_is_left(name):
    alpha = torch.randn(3, 4, 5, requires_grad=True)
    loss = regularizer_loss(name, alpha, torch.zeros(3, 4, 5, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert not bool(alpha.grad.any())


@every_regularizer
@every_gate
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_stays_finite_at_extremes(name, scores, dtype):
    alpha = torch.tensor([[1e4, -1e4, 0.0], [-300.0, 60.0, 61.0], [1e4, 1e4, 1e4]], dtype=dtype, requires_grad=True)
    loss = regularizer_loss(name, alpha, torch.ones(3, 3, dtype=torch.bool), scores)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(alpha.grad).all())


@every_regularizer
@every_gate
def test_it_takes_every_gate_of_a_supernet(name, scores):
    architecture = ArchitectureParameters(SPACE, scores)
    regularizer = build_regularizer(name)
    architecture.alive["depth"][1, 1:] = False
    architecture.remove_dependents()
    p, alive = architecture.probabilities(), architecture.alive
    torch.stack([regularizer(architecture.alpha[gate], p[gate], alive[gate]) for gate in GATES]).sum().backward()
    for gate in GATES:
        gradient = architecture.alpha[gate].grad
        assert bool(torch.isfinite(gradient).all())
        assert not bool(gradient[~alive[gate]].any())
