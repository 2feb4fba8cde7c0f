"""The mixed operator equals its composition of torch's modules: values, gradients and running statistics."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssr_mmseg.models.mixed_operator import add_mixture, tap_gradients
from ssr_mmseg.models.operators import CandidateOperator

INPUTS, OUTPUTS, MIDS, DILATIONS = 6, 5, (7, 4, 6), (1, 2, 9)  # the last dilation reaches beyond the image
SHAPE = (3, INPUTS, 8, 10)


def random_operators(dropout: float, dtype: torch.dtype = torch.double) -> nn.ModuleList:
    torch.manual_seed(0)
    operators = nn.ModuleList(
        CandidateOperator(INPUTS, mid, OUTPUTS, dilation, dropout)
        for mid, dilation in zip(MIDS, DILATIONS, strict=True)
    )
    for name, value in operators.named_parameters():
        if ".bn" in name:
            nn.init.normal_(value)
    return operators.to(dtype)


def random_inputs(dtype: torch.dtype = torch.double) -> list[Tensor]:
    """Draw base, x, the mid scales of each operator, and the out scales."""
    torch.manual_seed(1)
    base = torch.randn(SHAPE[0], OUTPUTS, *SHAPE[2:], dtype=dtype)
    x = torch.randn(SHAPE, dtype=dtype).contiguous(memory_format=torch.channels_last)
    scales = [torch.rand(mid, dtype=dtype) for mid in MIDS]
    return [v.requires_grad_() for v in (base, x, *scales, torch.rand(len(MIDS), OUTPUTS, dtype=dtype))]


def ours(operators: nn.ModuleList, base: Tensor, x: Tensor, *scales: Tensor) -> Tensor:
    return add_mixture(
        base * 1, x, list(operators), scales[:-1], scales[-1]
    )  # base · 1, because a leaf must not change


def composition(operators: nn.ModuleList, base: Tensor, x: Tensor, *scales: Tensor) -> Tensor:
    for o, mid_scale, out_scale in zip(operators, scales[:-1], scales[-1], strict=True):
        y = F.relu(o.bn1(o.conv1(x)) * mid_scale.view(-1, 1, 1))
        y = o.bn2(o.conv2(y)) * out_scale.view(-1, 1, 1)
        base = base + F.dropout2d(y, o.dropout, o.training)
    return base


def results(function, operators: nn.ModuleList, frozen: bool = False) -> tuple[Tensor, tuple, dict]:
    """Return output, gradients and running statistics after one forward and backward pass."""
    operators = copy.deepcopy(operators)
    inputs = random_inputs()
    parameters = [] if frozen else list(operators.parameters())
    operators.requires_grad_(not frozen)
    torch.manual_seed(2)
    y = function(operators, *inputs)
    torch.manual_seed(3)
    change = torch.randn(y.shape, dtype=y.dtype)
    state = {name: value for name, value in operators.state_dict().items() if "running" in name}
    return y, torch.autograd.grad((y * change).sum(), [*inputs, *parameters]), state


@pytest.mark.parametrize("frozen", [False, True], ids=["free", "frozen weights"])
@pytest.mark.parametrize(("training", "dropout"), [(True, 0.0), (True, 0.4), (False, 0.4)])
def test_values_gradients_and_statistics_equal_the_compositions(training, dropout, frozen):
    operators = random_operators(dropout).train(training)
    our_y, our_gradients, our_state = results(ours, operators, frozen)
    y, gradients, state = results(composition, operators, frozen)
    torch.testing.assert_close(our_y, y)
    torch.testing.assert_close(our_state, state)
    for a, b in zip(our_gradients, gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_two_tensors_per_operator_are_saved():
    """Besides the input, the parameters and values per channel; nothing between the convolutions."""
    operators = random_operators(0.1)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.shape) or t, lambda t: t):
        base, x, *scales = random_inputs()
        add_mixture(base * 1, x, list(operators), scales[:-1], scales[-1])
    large = [shape for shape in saved if len(shape) == 4 and shape[2:] == SHAPE[2:]]
    expected = [SHAPE[1], *MIDS, *[OUTPUTS] * len(MIDS)]
    assert sorted(shape[1] for shape in large) == sorted(expected)


def test_bfloat16_is_close_to_float32():
    operators = random_operators(0.0, torch.float32)
    outcomes = []
    for reduced in (False, True):
        inputs = random_inputs(torch.float32)
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            y = ours(copy.deepcopy(operators), *inputs)
        assert y.dtype is (torch.bfloat16 if reduced else torch.float32)
        outcomes.append((y.detach().float(), torch.autograd.grad(y.float().square().mean(), inputs)))
    (exact, gradients), (rough, rough_gradients) = outcomes
    assert float((rough - exact).norm() / exact.norm()) < 0.02
    for a, b in zip(rough_gradients, gradients, strict=True):
        assert a.dtype is torch.float32
        assert float((a - b).norm() / b.norm()) < 0.06


@pytest.mark.parametrize("dilation", [1, 3, 6, 9])
def test_tap_gradients_equal_torchs(dilation):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 6, 4, dtype=torch.double).contiguous(memory_format=torch.channels_last)
    change = torch.randn(3, 7, 6, 4, dtype=torch.double)
    weight = torch.randn(7, 5, 3, 1, dtype=torch.double, requires_grad=True)
    y = F.conv2d(x, weight, None, 1, (dilation, 0), (dilation, 1))
    expected = torch.autograd.grad((y * change).sum(), weight)[0]
    torch.testing.assert_close(
        tap_gradients(x, change.contiguous(memory_format=torch.channels_last), dilation), expected
    )
