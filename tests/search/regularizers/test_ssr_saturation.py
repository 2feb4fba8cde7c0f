"""SSR needs the weight decay of α: several saturated survivors get no gradient (docs/method.md)."""

import importlib.util

import pytest
import torch

from ssr_mmseg.search.regularizers import build_regularizer
from ssr_mmseg.settings.paths import PROJECT


def gradient(alpha: torch.Tensor, gate: str) -> torch.Tensor:
    alpha = alpha.clone().requires_grad_()
    p = alpha.softmax(-1) if gate == "softmax" else alpha.sigmoid() / alpha.sigmoid().sum(dim=-1, keepdim=True)
    build_regularizer("ssr")(alpha, p, torch.ones_like(alpha, dtype=torch.bool)).backward()
    return alpha.grad


def test_the_gradient_has_the_factor_of_a_saturating_sigmoid():
    alpha = 2 * torch.randn(1, 6, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    sigmoid = alpha.sigmoid()
    expected = (1 - sigmoid) * (1 / 6 - sigmoid / sigmoid.sum())
    torch.testing.assert_close(gradient(alpha, "sigmoid"), expected)
    torch.testing.assert_close(gradient(alpha, "softmax"), 1 / 6 - alpha.softmax(-1))


def test_saturated_survivors_get_no_gradient_unless_gates_are_softmax():
    alpha = torch.tensor([[40.0, 41.0, 42.0]])
    assert not bool(gradient(alpha, "sigmoid").any())
    assert bool((gradient(alpha, "softmax").abs() > 0.01).all())


@pytest.fixture
def benchmark(monkeypatch):
    """The script that makes the table of docs/method.md, with fewer groups at the same weight per group."""
    spec = importlib.util.spec_from_file_location("ssr_alone", PROJECT / "benchmarks/ssr_alone.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    groups = 13
    monkeypatch.setattr(module, "WEIGHT", module.WEIGHT * groups / module.GROUPS)
    monkeypatch.setattr(module, "GROUPS", groups)
    monkeypatch.setattr(module, "STEPS", (1000,))
    return module


def test_weight_decay_decides_what_ssr_alone_leaves_undecided(benchmark):
    assert min(benchmark.survivors("sigmoid", 0.0, seed=0)[1000]) > 1
    assert set(benchmark.survivors("sigmoid", 1e-3, seed=0)[1000]) == {1}
    assert set(benchmark.survivors("softmax", 0.0, seed=0)[1000]) == {1}
