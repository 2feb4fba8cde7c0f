"""Weighted sum of a block's operators at one resolution, as one autograd function that saves memory and kernel calls.

An operator is conv → BN → ReLU → conv → BN → dropout. Written with torch's modules, autograd would save one tensor per
arrow, and every small product on channel weights would be a call of its own. Here two tensors per operator are saved,
the outputs of its convolutions; the steps between them are recomputed in the backward pass. The last normalizations are
added to the sum without being stored, and arithmetic on channels is done for all operators at once. Values and
gradients equal those of the composition of torch's modules.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ssr_mmseg.models.batch_norm import batch_statistics, norm_backward, per_channel
from ssr_mmseg.models.operators import CandidateOperator


def add_mixture(
    base: Tensor,
    x: Tensor,
    operators: Sequence[CandidateOperator],
    mid_scales: Sequence[Tensor],
    out_scales: Sequence[Tensor],
    noises: Sequence[Tensor | None] | None = None,
) -> Tensor:
    """Return `base + Σₖ operatorₖ(x)`, with weighted channels; `base` may be overwritten.

    Args:
        base: Tensor to add to, (B, outputs, H, W).
        x: Input of the operators, (B, inputs, H, W).
        operators: The operators.
        mid_scales: Weights of each operator's mid channels, (midₖ,).
        out_scales: Weights of each operator's out channels, (outputs,).
        noises: Dropout factors of each operator, from its `noise`; drawn here by default.
    """
    noises = noises or [operator.noise(len(x), x) for operator in operators]
    if not operators[0].training or torch.compiler.is_compiling():  # torch.compile fuses and recomputes by itself
        for operator, mid_scale, out_scale, noise in zip(operators, mid_scales, out_scales, noises, strict=True):
            base = base + operator(x, mid_scale, out_scale, noise)
        return base
    norms1, norms2 = [o.bn1 for o in operators], [o.bn2 for o in operators]
    mid_scale, out_scale = torch.cat(list(mid_scales)), torch.cat(list(out_scales))
    device = x.device.type
    exact = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    with torch.autocast(device, enabled=False):
        return _Mixture.apply(
            base.to(exact),
            x.to(exact),
            torch.cat([bn.weight for bn in norms1]) * mid_scale,
            torch.cat([bn.bias for bn in norms1]) * mid_scale,
            torch.cat([bn.weight for bn in norms2]) * out_scale,
            torch.cat([bn.bias for bn in norms2]) * out_scale,
            None if noises[0] is None else torch.stack([noise.flatten(1) for noise in noises if noise is not None]),
            operators,
            *_parameters(operators),
        )


class _Mixture(torch.autograd.Function):
    """`base + Σₖ operatorₖ(x)`, with the affine parameters of the operators' first and second normalizations joined."""

    @staticmethod
    def forward(
        ctx: Any,
        base: Tensor,
        x: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        noise: Tensor | None,  # (operators, B, outputs)
        operators: Sequence[CandidateOperator],
        *parameters: Tensor,  # those of `_parameters`
    ) -> Tensor:
        mids = [o.mid for o in operators]
        kernels = _converted(parameters[0::2], x.dtype)
        biases = parameters[1::4], parameters[3::4]
        inner = [_conv(x, o.conv1, kernels[2 * k]) for k, o in enumerate(operators)]
        mean1, inverse1 = batch_statistics(inner, [o.bn1 for o in operators], biases[0])
        slope1 = weight1 * inverse1
        affine1 = per_channel(slope1, x), per_channel(bias1 - mean1 * slope1, x)  # slope and offset, (Σₖ midₖ, 1, 1)
        outer = []
        for k, (o, slope, offset) in enumerate(zip(operators, *(v.split(mids) for v in affine1), strict=True)):
            outer.append(_conv(_activated(inner[k], slope, offset), o.conv2, kernels[2 * k + 1]))
        mean2, inverse2 = batch_statistics(outer, [o.bn2 for o in operators], biases[1])
        slope2 = weight2 * inverse2
        factors, constants = (v.view(len(mids), 1, -1) for v in (slope2, bias2 - mean2 * slope2))
        if noise is not None:
            factors, constants = factors * noise, constants * noise  # (operators, B, outputs)
        for z, factor in zip(outer, per_channel(factors, x), strict=True):
            base.addcmul_(z, factor)
        ctx.mark_dirty(base.add_(per_channel(constants.sum(dim=0), x)))
        ctx.save_for_backward(
            x, *affine1, weight1, mean1, inverse1, weight2, mean2, inverse2, noise, *inner, *outer, *kernels
        )
        ctx.operators = operators
        return base

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        operators, wanted = ctx.operators, ctx.needs_input_grad
        count, mids = len(operators), [o.mid for o in operators]
        x, *channels1_and_2, noise = ctx.saved_tensors[:10]
        tensors = ctx.saved_tensors[10:]
        inner, outer, kernels = tensors[:count], tensors[count : 2 * count], tensors[2 * count :]
        firsts = list(zip(*(values.split(mids) for values in channels1_and_2[:5]), strict=True))
        seconds = list(zip(*(values.view(count, -1) for values in channels1_and_2[5:]), strict=True))
        noises = None if noise is None else per_channel(noise, gradient)
        dx: Tensor | None = None
        norms: list[tuple] = []
        dkernels: list[Tensor | None] = []
        for k, o in enumerate(operators):
            slope, offset, *first = firsts[k]
            wanted1, wanted2 = wanted[8 + 4 * k], wanted[10 + 4 * k]
            part = gradient if noises is None else gradient * noises[k]
            dz, *dsecond = norm_backward(o.bn2, part, outer[k], *seconds[k])
            y = _activated(inner[k], slope, offset)
            dy, dkernel2 = _conv_backward(dz, y, o.conv2, kernels[2 * k + 1], (True, wanted2))
            torch.ops.aten.threshold_backward.grad_input(dy, y, 0, grad_input=dy)
            dinner, *dfirst = norm_backward(o.bn1, cast(Tensor, dy), inner[k], *first)
            dxk, dkernel1 = _conv_backward(dinner, x, o.conv1, kernels[2 * k], (wanted[1], wanted1))
            if dxk is not None:
                dx = dxk if dx is None else dx.add_(dxk)
            norms.append((*dfirst, *dsecond))
            dkernels += [dkernel1, dkernel2]
        dparameters = _parameter_gradients(dkernels, _parameters(operators), wanted[8:])
        return gradient, dx, *(torch.cat(parts) for parts in zip(*norms, strict=True)), None, None, *dparameters


def _parameters(operators: Sequence[CandidateOperator]) -> list[Tensor]:
    """Return for each operator weight and bias of its first convolution, then of its second."""
    convs = [conv for o in operators for conv in (o.conv1, o.conv2)]
    return [cast(Tensor, value) for conv in convs for value in (conv.weight, conv.bias)]


def _conv(x: Tensor, conv: nn.Conv2d, kernel: Tensor) -> Tensor:
    """Return the convolution without its bias, which the mean of the normalization that follows subtracts again."""
    return F.conv2d(x, kernel, None, conv.stride, conv.padding, conv.dilation)


def _activated(x: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    return torch.addcmul(offset, x, slope).relu_()


def _converted(tensors: Sequence[Tensor], dtype: torch.dtype, like: Sequence[Tensor] | None = None) -> list[Tensor]:
    """Return tensors in another precision, converted all at once, in the memory layout of the tensors `like`."""
    if tensors[0].dtype == dtype:
        return list(tensors)
    converted = [torch.empty_like(tensor, dtype=dtype) for tensor in like or tensors]
    torch._foreach_copy_(converted, list(tensors))
    return converted


def _conv_backward(
    gradient: Tensor, x: Tensor, conv: nn.Conv2d, kernel: Tensor, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of input and kernel of a convolution, as far as they are wanted."""
    by_taps = kernel.shape[2] == 3 and wanted[1] and _are_taps_faster(x, gradient)
    mask = [wanted[0], wanted[1] and not by_taps, False]
    dx, dkernel, _ = torch.ops.aten.convolution_backward(
        gradient, x, kernel, None, conv.stride, conv.padding, conv.dilation, False, [0, 0], 1, mask
    ) if any(mask) else (None, None, None)  # fmt: skip
    return dx, tap_gradients(x, gradient, conv.dilation[0]) if by_taps else dkernel


def _parameter_gradients(
    dkernels: Sequence[Tensor | None], parameters: Sequence[Tensor], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradients of all kernels and biases, as far as they are wanted, in the precision of the parameters.

    The normalization that follows subtracts the mean, and the bias with it, so the gradient of a bias is 0. A
    computed gradient would be rounding noise, which Adam would scale up to steps of normal size.
    """
    result: list[Tensor | None] = [None] * len(parameters)
    places = [2 * k for k, dkernel in enumerate(dkernels) if dkernel is not None]
    found = [dkernel for dkernel in dkernels if dkernel is not None]
    if found:
        like = [parameters[place] for place in places]
        for place, dkernel in zip(places, _converted(found, like[0].dtype, like), strict=True):
            result[place] = dkernel
    biases = [place for place in range(1, len(parameters), 2) if wanted[place]]
    if biases:
        sizes = [len(parameters[place]) for place in biases]
        zeros = parameters[biases[0]].new_zeros(sum(sizes)).split(sizes)
        for place, zero in zip(biases, zeros, strict=True):
            result[place] = zero
    return result


def _are_taps_faster(x: Tensor, gradient: Tensor) -> bool:
    """Return whether `tap_gradients` is faster than oneDNN."""
    exact = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return exact and all(value.is_contiguous(memory_format=torch.channels_last) for value in (x, gradient))


def tap_gradients(x: Tensor, gradient: Tensor, dilation: int) -> Tensor:
    """Return the gradient of a 3×1 convolution's weight, (outputs, inputs, 3, 1), computed by three matrix products.

    In channels-last memory a shift along the height by d rows is a shift of the whole image by d·W pixels, so both
    factors are contiguous. On CPUs this takes half the time of oneDNN's kernel for tall filters.

    Args:
        x: Input of the convolution, (B, inputs, H, W), channels-last.
        gradient: Gradient of its output, (B, outputs, H, W), channels-last.
        dilation: Its dilation along the height.
    """
    inputs, outputs, width = x.shape[1], gradient.shape[1], x.shape[3]
    rows = x.permute(0, 2, 3, 1).reshape(len(x), -1, inputs)  # (B, H·W, inputs): a view
    changes = gradient.permute(0, 2, 3, 1).reshape(len(x), -1, outputs)
    shift = dilation * width
    taps = x.new_zeros(3, outputs, inputs)
    taps[1] = torch.bmm(changes.mT, rows).sum(dim=0)
    if shift < rows.shape[1]:
        taps[0] = torch.bmm(changes[:, shift:].mT, rows[:, :-shift]).sum(dim=0)
        taps[2] = torch.bmm(changes[:, :-shift].mT, rows[:, shift:]).sum(dim=0)
    return taps.permute(1, 2, 0).unsqueeze(-1)
