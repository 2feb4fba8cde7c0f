import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ssr_mmseg.profiling.model_size import count_macs, count_parameters


@settings(max_examples=25)
@given(
    groups=st.integers(1, 3),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 3),
    padding=st.integers(0, 2),
    bias=st.booleans(),
    size=st.tuples(st.integers(8, 12), st.integers(8, 12)),
)
def test_convolution(groups, inputs, outputs, kernel, stride, dilation, padding, bias, size):
    channels = inputs * groups
    conv = nn.Conv2d(channels, outputs * groups, kernel, stride, padding, dilation, groups, bias)
    height, width = (
        (side + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for side, k in zip(size, kernel, strict=True)
    )
    # each of the groups·outputs·H·W outputs sums inputs·k·k products
    assert count_macs(conv, size, channels) == groups * outputs * height * width * inputs * kernel[0] * kernel[1]


def test_only_products_of_a_stack_are_counted():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8·4·6 outputs of 3·9 products each
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),  # 8·4·6 of 9 each
        nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.ConvTranspose2d(8, 5, 2, stride=2),  # 8·4·6 inputs, each spread over 5·4
        nn.Flatten(),
        nn.Linear(5 * 8 * 12, 7),  # 7 of 480
    )
    assert count_macs(network, (8, 12)) == 192 * 27 + 192 * 9 + 192 * 20 + 7 * 480


def test_macs_are_proportional_to_the_image_area():
    conv = nn.Conv2d(3, 4, 3, padding=1)
    assert count_macs(conv, (16, 48)) == 6 * count_macs(conv, (8, 16))


class Stateful(nn.Module):
    """Checks its mode and changes a buffer in every call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.calls += 1
        return self.norm(self.conv(images))


def test_the_model_is_unchanged():
    model = Stateful().train()
    model.norm.eval()  # a mixed mode, as with frozen statistics
    before = copy.deepcopy(model.state_dict())
    assert count_macs(model, (8, 8)) == 8 * 8 * 3 * 2
    assert model.training
    assert not model.norm.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("model", [nn.Identity(), nn.AvgPool2d(2)])
def test_a_network_without_parameters_has_no_macs(model):
    assert count_macs(model, (8, 8)) == 0
    assert count_parameters(model) == 0


def test_half_precision_has_the_same_macs():
    conv = nn.Conv2d(3, 4, 3)
    assert count_macs(copy.deepcopy(conv).to(torch.bfloat16), (8, 8)) == count_macs(conv, (8, 8))


def test_parameters_counted_by_hand():
    shared = nn.Linear(4, 4, bias=False)
    model = nn.Sequential(nn.Conv2d(6, 4, 3, groups=2), nn.BatchNorm2d(4), shared, shared)
    model[0].weight.requires_grad_(False)
    assert count_parameters(model) == (4 * 3 * 9 + 4) + (4 + 4) + 16  # no buffers, frozen ones too, shared ones once
