"""Exact rewriting of convolutions: folding, padding with channels that stay zero, and splitting by input."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Added in front of a ReLU it leaves zero, whatever a finite activation in any float format adds to it; it is finite
# itself in float32 and bfloat16, so that times a zero weight it is zero.
OFF = -1e30


def rounded(width: int, align: int) -> int:
    """The next multiple of `align` that is at least `width`."""
    return -(-width // align) * align


def folded(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    """One convolution for a convolution and the batch normalisation behind it, as they are in eval mode."""
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(copy.deepcopy(convolution).eval(), copy.deepcopy(norm).eval())


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """(C,) each: BN in eval mode is scale · x + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale.detach(), (norm.bias - norm.running_mean * scale).detach()


def convolution(weight: Tensor, bias: Tensor | None, like: nn.Conv2d | None = None, groups: int = 1) -> nn.Conv2d:
    """A convolution with these parameters; stride, padding and dilation as those of `like`, else a 1×1.

    Shapes: `weight` (outputs, inputs / groups, kH, kW), `bias` (outputs,).
    """
    outputs, inputs = weight.shape[:2]
    made = nn.Conv2d(inputs * groups, outputs, 1, groups=groups, bias=bias is not None)
    if like is not None:
        made = copy.deepcopy(like)
        made.in_channels, made.out_channels, made.groups = inputs * groups, outputs, groups
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    made.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
    return made


def placed(weight: Tensor, outputs: int, inputs: int, first_output: int = 0) -> Tensor:
    """(outputs, inputs, kH, kW): `weight` from `first_output` and input 0 on, zeros around it."""
    padded = weight.new_zeros(outputs, inputs, *weight.shape[2:])
    padded[first_output : first_output + weight.shape[0], : weight.shape[1]] = weight
    return padded


def padded(source: nn.Conv2d, inputs: int, outputs: int, off: range = range(0)) -> nn.Conv2d:
    """`source` with more channels: it ignores the added inputs, and gives zero, or `OFF` in `off`, as added outputs."""
    bias = source.weight.new_zeros(outputs)
    if source.bias is not None:
        bias[: source.out_channels] = source.bias.detach()
    bias[list(off)] = OFF
    return convolution(placed(source.weight.detach(), outputs, inputs), bias, source)


def diagonal(values: Tensor) -> Tensor:
    """(C, C, 1, 1): the 1×1 convolution that multiplies each channel by its value."""
    return torch.diag(values)[:, :, None, None]
