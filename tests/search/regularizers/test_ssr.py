import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from spaces import SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.search.regularizers import build_regularizer
from ssr_mmseg.utils.errors import UserError


def gates(alpha: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    scores = alpha.sigmoid() * alive
    return scores / scores.sum(dim=-1, keepdim=True).clamp_min(1e-300)


@settings(max_examples=40)
@given(st.integers(0, 2**31 - 1))
def test_it_is_the_negative_divergence_from_uniform(seed):
    generator = np.random.default_rng(seed)
    alpha = torch.from_numpy(generator.normal(0, 2, (6, 5)))
    alive = torch.from_numpy(generator.random((6, 5)) < 0.6)
    p = gates(alpha, alive)
    values = []
    for row, survivors in zip(p.numpy(), alive.numpy(), strict=True):
        if survivors.any():
            q = row[survivors]
            values.append(-entropy(np.full(len(q), 1 / len(q)), q))
    expected = np.mean(values) if values else 0.0
    assert float(build_regularizer("ssr")(alpha, p, alive)) == pytest.approx(expected, abs=1e-12)


def test_its_gradient_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    alpha = torch.randn(4, 5, dtype=torch.double, generator=generator, requires_grad=True)
    alive = torch.rand(4, 5, generator=generator) < 0.7
    alive[1] = False
    ssr = build_regularizer("ssr")
    assert torch.autograd.gradcheck(lambda a: ssr(a, gates(a, alive), alive), (alpha,))


def test_a_vanishing_survivor_leaves_loss_and_gradient_finite():
    alpha = torch.tensor([[4.0, -200.0, 0.0]], requires_grad=True)
    alive = torch.ones(1, 3, dtype=torch.bool)
    loss = build_regularizer("ssr")(alpha, gates(alpha, alive), alive)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(alpha.grad).all())


@pytest.mark.parametrize("seed", range(3))
def test_alone_it_decides_every_gate_under_shrinking(seed):
    """The L0 argument of the paper: options are removed one by one until one is left."""
    torch.manual_seed(seed)
    architecture = ArchitectureParameters(SPACE)
    ssr = build_regularizer("ssr")
    with torch.no_grad():
        for alpha in architecture.alpha.values():
            alpha.normal_(0, 0.01)
    # the optimizer of the search: its weight decay keeps several survivors from saturating at σ(α) = 1
    optimizer = torch.optim.Adam(architecture.parameters(), lr=0.05, weight_decay=1e-3)
    for _ in range(60):
        for _ in range(20):
            p, alive = architecture.probabilities(), architecture.alive
            loss = sum(15 * ssr(architecture.alpha[gate], p[gate], alive[gate]) for gate in GATES)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        architecture.shrink(0.1)
        if architecture.decided:
            break
    assert architecture.decided


def test_exact_ties_stay():
    """An exception to the L0 argument: survivors with equal α have equal gradients, so no step separates them."""
    alpha = torch.nn.Parameter(torch.tensor([[0.3, 0.3, -0.2, 0.1]]))
    alive = torch.ones(1, 4, dtype=torch.bool)
    ssr = build_regularizer("ssr")
    optimizer = torch.optim.Adam([alpha], lr=0.05, weight_decay=1e-3)
    for step in range(600):
        p = gates(alpha, alive)
        optimizer.zero_grad()
        ssr(alpha, p, alive).backward()
        optimizer.step()
        if step % 20 == 0:
            alive = alive & (p > 0.1 * p.amax(dim=-1, keepdim=True))
    assert alive.tolist() == [[True, True, False, False]]
    assert float(alpha[0, 0]) == float(alpha[0, 1])


def test_none_is_zero_and_has_gradients():
    alpha = torch.randn(2, 3, requires_grad=True)
    loss = build_regularizer("none")(alpha, alpha.softmax(-1), torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert not bool(alpha.grad.any())


def test_an_unknown_regularizer_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"unknown regularizer 'l3'; choose one of: .*none.*ssr"):
        build_regularizer("l3")
