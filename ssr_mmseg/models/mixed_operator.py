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

from ssr_mmseg.models.batch_norm import affine, batch_statistics, norm_backward, per_channel
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
            *(value for o in operators for conv in (o.conv1, o.conv2) for value in (conv.weight, conv.bias)),
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
        *parameters: Tensor,  # for each operator: weight and bias of its first convolution, then of its second
    ) -> Tensor:
        mids = [o.mid for o in operators]
        inner = [_conv(x, o.conv1, *parameters[4 * k : 4 * k + 2]) for k, o in enumerate(operators)]
        mean1, inverse1 = batch_statistics(inner, [o.bn1 for o in operators])
        slope1 = weight1 * inverse1
        offset1 = bias1 - mean1 * slope1
        slopes, offsets = slope1.split(mids), offset1.split(mids)
        outer = []
        for k, o in enumerate(operators):
            y = affine(inner[k], slopes[k], offsets[k]).relu_()
            outer.append(_conv(y, o.conv2, *parameters[4 * k + 2 : 4 * k + 4]))
        mean2, inverse2 = batch_statistics(outer, [o.bn2 for o in operators])
        slope2 = weight2 * inverse2
        factors, constants = (v.view(len(mids), 1, -1) for v in (slope2, bias2 - mean2 * slope2))
        if noise is not None:
            factors, constants = factors * noise, constants * noise  # (operators, B, outputs)
        for z, factor in zip(outer, per_channel(factors, x), strict=True):
            base.addcmul_(z, factor)
        ctx.mark_dirty(base.add_(per_channel(constants.sum(dim=0), x)))
        ctx.save_for_backward(
            x, slope1, offset1, weight1, mean1, inverse1, weight2, mean2, inverse2, noise,
            *inner, *outer, *parameters[0::2],
        )  # fmt: skip
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
        norms, parameters = [], []
        for k, o in enumerate(operators):
            slope, offset, *first = firsts[k]
            wanted1, wanted2 = (wanted[8 + 4 * k + 2 * part : 10 + 4 * k + 2 * part] for part in (0, 1))
            part = gradient if noises is None else gradient * noises[k]
            dz, *dsecond = norm_backward(o.bn2, part, outer[k], *seconds[k])
            y = affine(inner[k], slope, offset).relu_()
            dy, *dparameters2 = _conv_backward(dz, y, o.conv2, kernels[2 * k + 1], (True, *wanted2))
            torch.ops.aten.threshold_backward.grad_input(dy, y, 0, grad_input=dy)
            dinner, *dfirst = norm_backward(o.bn1, cast(Tensor, dy), inner[k], *first)
            dxk, *dparameters1 = _conv_backward(dinner, x, o.conv1, kernels[2 * k], (wanted[1], *wanted1))
            if dxk is not None:
                dx = dxk if dx is None else dx.add_(dxk)
            norms.append((*dfirst, *dsecond))
            parameters += [*dparameters1, *dparameters2]
        return gradient, dx, *(torch.cat(parts) for parts in zip(*norms, strict=True)), None, None, *parameters


def _conv(x: Tensor, conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), conv.stride, conv.padding, conv.dilation)


def _conv_backward(
    gradient: Tensor, x: Tensor, conv: nn.Conv2d, weight: Tensor, wanted: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of input, weight and bias of a convolution, as far as they are wanted.

    The normalization that follows subtracts the mean, and the bias with it, so the gradient of the bias is 0. A
    computed gradient would be rounding noise, which Adam would scale up to steps of normal size.
    """
    by_taps = weight.shape[2] == 3 and wanted[1] and _are_taps_faster(x, gradient)
    mask = [wanted[0], wanted[1] and not by_taps, False]
    dx, dweight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight.to(x.dtype), None, conv.stride, conv.padding, conv.dilation, False, [0, 0], 1, mask
    ) if any(mask) else (None, None, None)  # fmt: skip
    if by_taps:
        dweight = tap_gradients(x, gradient, conv.dilation[0])
    dbias = weight.new_zeros(weight.shape[0]) if wanted[2] else None
    return dx, dweight if dweight is None else dweight.to(weight.dtype), dbias


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
