"""Exact rewrites of convolutions: batch norm folding, padding with channels that stay zero, splitting by input."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# A bias this negative makes the following ReLU output exactly zero for any finite input in any float format. It is
# finite in float32 and bfloat16, so that its product with a zero weight is zero.
OFF = -1e30


def round_up(width: int, align: int) -> int:
    """Return the smallest multiple of `align` that is at least `width`."""
    return -(-width // align) * align


def fold_batch_norm(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    """Return one convolution equal to a convolution followed by batch norm, both in eval mode."""
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(copy.deepcopy(convolution).eval(), copy.deepcopy(norm).eval())


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the scale and the shift, (C,) each, such that batch norm in eval mode is scale · x + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale.detach(), (norm.bias - norm.running_mean * scale).detach()


def make_conv(weight: Tensor, bias: Tensor | None, like: nn.Conv2d | None = None, groups: int = 1) -> nn.Conv2d:
    """Build a convolution from its parameters.

    Args:
        weight: (outputs, inputs / groups, kH, kW).
        bias: (outputs,).
        like: Gives stride, padding and dilation; a plain 1×1 convolution if None.
    """
    outputs, inputs = weight.shape[:2]
    conv = nn.Conv2d(inputs * groups, outputs, 1, groups=groups, bias=bias is not None)
    if like is not None:
        conv = copy.deepcopy(like)
        conv.in_channels, conv.out_channels, conv.groups = inputs * groups, outputs, groups
    conv.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
    return conv


def pad_weight(weight: Tensor, outputs: int, inputs: int, first_output: int = 0) -> Tensor:
    """Pad a weight with zeros to (outputs, inputs, kH, kW), with its own channels at `first_output` and input 0."""
    padded = weight.new_zeros(outputs, inputs, *weight.shape[2:])
    padded[first_output : first_output + weight.shape[0], : weight.shape[1]] = weight
    return padded


def pad_conv(source: nn.Conv2d, inputs: int, outputs: int, off: range = range(0)) -> nn.Conv2d:
    """Add channels to a convolution: it ignores added inputs; added outputs are zero, or `OFF` if in `off`."""
    bias = source.weight.new_zeros(outputs)
    if source.bias is not None:
        bias[: source.out_channels] = source.bias.detach()
    bias[list(off)] = OFF
    return make_conv(pad_weight(source.weight.detach(), outputs, inputs), bias, source)


def diagonal_weight(values: Tensor) -> Tensor:
    """Return the weight (C, C, 1, 1) of the 1×1 convolution that scales each channel by one of `values` (C,)."""
    return torch.diag(values)[:, :, None, None]
