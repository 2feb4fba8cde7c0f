"""The regularizers that SSR is compared with, against their definitions in plain Python."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp
from scipy.stats import entropy

from ssr_mmseg.search.regularizers import build_regularizer


def random_case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    alpha = torch.from_numpy(generator.normal(0, 2, (6, 5)))
    alive = torch.from_numpy(generator.random((6, 5)) < 0.6)
    scores = alpha.sigmoid() * alive
    return alpha, scores / scores.sum(dim=-1, keepdim=True).clamp_min(1e-300), alive


def mean_over_groups(value: Callable, alpha: torch.Tensor, p: torch.Tensor, alive: torch.Tensor) -> float:
    """Mean over the rows with a survivor of `value(α, p)` of the survivors alone."""
    rows = [value(a[s], q[s]) for a, q, s in zip(alpha.numpy(), p.numpy(), alive.numpy(), strict=True) if s.any()]
    return sum(rows) / len(rows) if rows else 0.0


def shannon(_, p):
    return entropy(p)


def distance_from_half(alpha, _):
    return -sum((float(expit(a)) - 0.5) ** 2 for a in alpha) / len(alpha)


def smooth_maximum(alpha, _):
    return float(logsumexp(alpha))


@pytest.mark.parametrize(
    ("name", "definition"), [("entropy", shannon), ("zero_one", distance_from_half), ("beta_decay", smooth_maximum)]
)
@settings(max_examples=40)
@given(seed=st.integers(0, 2**31 - 1))
def test_they_equal_the_definitions_in_their_papers(name, definition, seed):
    case = random_case(seed)
    expected = mean_over_groups(definition, *case)
    assert float(build_regularizer(name)(*case)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_entropy_runs_from_the_logarithm_of_the_survivors_to_zero(count):
    alive = torch.arange(10).unsqueeze(0) < count
    uniform = alive / count
    one_hot = (torch.arange(10) == 0).double().unsqueeze(0)
    regularizer = build_regularizer("entropy")
    assert float(regularizer(uniform, uniform, alive)) == pytest.approx(math.log(count), abs=1e-6)
    assert float(regularizer(one_hot, one_hot, alive)) == pytest.approx(0, abs=1e-12)


def test_entropy_pushes_a_dying_option_ever_less_and_ssr_does_not():
    def push(name: str, weak: float) -> float:
        """Derivative with respect to the weaker α of two, which gradient descent pushes down."""
        alpha = torch.tensor([[2.0, weak]], dtype=torch.double, requires_grad=True)
        p = alpha.sigmoid() / alpha.sigmoid().sum()
        build_regularizer(name)(alpha, p, torch.ones(1, 2, dtype=torch.bool)).backward()
        return float(alpha.grad[0, 1])

    assert 0 < push("entropy", -12) < 0.01 * push("entropy", -2)
    assert push("ssr", -12) > push("ssr", -2) > 0


def test_zero_one_is_lowest_at_any_zeros_and_ones_and_flat_at_the_start():
    alive = torch.ones(1, 3, dtype=torch.bool)
    regularizer = build_regularizer("zero_one")
    for pattern in ([1, 0, 0], [1, 1, 0], [1, 1, 1]):  # several options of a group may end at 1
        alpha = torch.tensor([pattern], dtype=torch.double) * 200 - 100
        assert float(regularizer(alpha, alpha, alive)) == pytest.approx(-0.25)
    start = torch.zeros(1, 3, requires_grad=True)
    regularizer(start, start, alive).backward()
    assert not bool(start.grad.any())


def test_beta_decay_lowers_each_alpha_by_its_softmax():
    alpha, _, alive = random_case(3)
    alpha.requires_grad_()
    build_regularizer("beta_decay")(alpha, alpha, alive).backward()
    expected = torch.where(alive, alpha.masked_fill(~alive, -torch.inf).softmax(dim=-1), 0.0)
    expected = torch.where(alive.any(dim=-1, keepdim=True), expected, 0.0) / int(alive.any(dim=-1).sum())
    torch.testing.assert_close(alpha.grad, expected.detach())
