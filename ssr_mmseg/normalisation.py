"""Batch normalisation of the operators: fused with what follows, lean in memory, shared by data-parallel processes.

An operator is conv → BN → ReLU → conv → BN, and a block adds its operators up. Autograd would keep a tensor for every
arrow. Here two tensors per operator are kept, its convolutions' outputs: all between them is recomputed by cheap
passes, and normalised outputs that are only added up are never written one by one. Values and gradients are those of
the plain composition.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from ssr_mmseg import processes

Wanted = Sequence[bool]


def scaled_batch_norm(bn: nn.BatchNorm2d, x: Tensor, scale: Tensor | None = None) -> Tensor:
    """`scale · bn(x)` per channel, with the scale folded into the affine parameters: a mask costs no pass over x.

    In training mode data-parallel processes normalise by the statistics of all their images.
    """
    weight, bias = _affine(bn, scale)
    if bn.training and processes.count() > 1:
        return _SharedBatchNorm.apply(x, weight, bias, bn)
    momentum = bn.momentum or 0.0
    return F.batch_norm(x, bn.running_mean, bn.running_var, weight, bias, bn.training, momentum, bn.eps)


def norm_relu_conv(bn: nn.BatchNorm2d, conv: nn.Conv2d, x: Tensor, scale: Tensor | None = None) -> Tensor:
    """`conv(ReLU(scale · bn(x)))`, (B, C, H, W) → (B, outputs, H, W); in training mode only x is kept for backward."""
    if not bn.training:
        return conv(F.relu(scaled_batch_norm(bn, x, scale)))
    weight, bias = _affine(bn, scale)
    return _NormReluConv.apply(x, weight, bias, conv.weight, conv.bias, bn, conv)


def sum_of_norms(
    base: Tensor,
    xs: Sequence[Tensor],
    bns: Sequence[nn.BatchNorm2d],
    scales: Tensor,
    noises: Sequence[Tensor | None],
) -> Tensor:
    """`base + Σₖ noiseₖ · scaleₖ · bnₖ(xₖ)`, each term of shape (B, C, H, W); in training mode `base` is overwritten.

    Outside training there is no noise.

    Args:
        scales: Weighs each term's channels, (terms, C).
        noises: Weighs each term's channels image by image, (B, C, 1, 1): the noise of a dropout, or None.
    """
    if not bns[0].training:
        for x, bn, scale in zip(xs, bns, scales, strict=True):
            base = base + scaled_batch_norm(bn, x, scale)
        return base
    weights = torch.stack([bn.weight for bn in bns]) * scales
    biases = torch.stack([bn.bias for bn in bns]) * scales
    return _SumOfNorms.apply(base, weights, biases, bns, noises, *xs)


def _affine(bn: nn.BatchNorm2d, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    return (bn.weight, bn.bias) if scale is None else (bn.weight * scale, bn.bias * scale)


def _statistics(x: Tensor, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Mean and 1/√(variance + ε) of each channel over the batch; the running statistics move towards them."""
    momentum = bn.momentum or 0.0
    if processes.count() == 1:
        mean, variance = torch.batch_norm_update_stats(x, bn.running_mean, bn.running_var, momentum)
        return mean, (variance + bn.eps).rsqrt()
    local = torch.stack(torch.batch_norm_update_stats(x, None, None, momentum))
    means, variances = processes.gather(local).unbind(dim=1)  # (processes, C) each, all of the same number of pixels
    mean = means.mean(dim=0)
    variance = variances.mean(dim=0) + means.var(dim=0, unbiased=False)
    pixels = x.numel() // x.shape[1] * processes.count()
    with torch.no_grad():
        bn.running_mean.lerp_(mean, momentum)
        bn.running_var.lerp_(variance * (pixels / (pixels - 1)), momentum)
    return mean, (variance + bn.eps).rsqrt()


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    slope = weight * inverse
    offset = bias - mean * slope
    return torch.addcmul(_channels(offset, x), x, _channels(slope, x))


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, bn: nn.BatchNorm2d, wanted: Wanted
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of x, weight and bias of a batch normalisation by the batch's own statistics."""
    shared = processes.count() > 1
    dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, inverse, True, bn.eps, [wanted[0] and not shared, True, True]
    )
    if shared and wanted[0]:  # the statistics depend on the images of all processes; each adds up its own parameters'
        sums = processes.mean(torch.stack([dbias, dweight])) / (x.numel() // x.shape[1])
        slope = weight * inverse
        curve = -slope * sums[1] * inverse
        offset = -slope * sums[0] - mean * curve
        dx = torch.addcmul(_channels(offset, x), x, _channels(curve, x)).addcmul_(gradient, _channels(slope, x))
    return dx, dweight if wanted[1] else None, dbias if wanted[2] else None


def _channels(values: Tensor, like: Tensor) -> Tensor:
    """Values per channel (…, C) in the precision of `like`, shaped to weigh it."""
    return values.to(like.dtype).unsqueeze(-1).unsqueeze(-1)


class _SharedBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, bn: nn.BatchNorm2d) -> Tensor:
        mean, inverse = _statistics(x, bn)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.bn = bn
        return _normalise(x, weight, bias, mean, inverse)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple:
        return (*_backward(gradient, *ctx.saved_tensors, ctx.bn, ctx.needs_input_grad[:3]), None)


class _NormReluConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        kernel: Tensor,
        shift: Tensor,
        bn: nn.BatchNorm2d,
        conv: nn.Conv2d,
    ) -> Tensor:
        mean, inverse = _statistics(x, bn)
        y = _normalise(x, weight, bias, mean, inverse).relu_()
        ctx.save_for_backward(x, weight, bias, kernel, mean, inverse)
        ctx.bn, ctx.conv = bn, conv
        return F.conv2d(y, kernel.to(y.dtype), shift.to(y.dtype), conv.stride, conv.padding, conv.dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple:
        x, weight, bias, kernel, mean, inverse = ctx.saved_tensors
        y = _normalise(x, weight, bias, mean, inverse).relu_()  # again: a pass over x instead of a tensor kept
        outputs, conv, wanted = [kernel.shape[0]], ctx.conv, ctx.needs_input_grad
        dy, dkernel, dshift = torch.ops.aten.convolution_backward(
            gradient, y, kernel.to(y.dtype), outputs, conv.stride, conv.padding, conv.dilation, False, [0, 0], 1,
            [any(wanted[:3]), wanted[3], wanted[4]],
        )  # fmt: skip
        norms: tuple = (None, None, None)
        if dy is not None:
            torch.ops.aten.threshold_backward.grad_input(dy, y, 0, grad_input=dy)
            norms = _backward(dy, x, weight, mean, inverse, ctx.bn, wanted[:3])
        dkernel = dkernel.to(kernel.dtype) if dkernel is not None else None
        dshift = dshift.to(kernel.dtype) if dshift is not None else None
        return (*norms, dkernel, dshift, None, None)


class _SumOfNorms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        base: Tensor,
        weights: Tensor,
        biases: Tensor,
        bns: Sequence[nn.BatchNorm2d],
        noises: Sequence[Tensor | None],
        *xs: Tensor,
    ) -> Tensor:
        means, inverses = zip(*(_statistics(x, bn) for x, bn in zip(xs, bns, strict=True)), strict=True)
        slopes = weights * torch.stack(inverses)  # (terms, C)
        offsets = biases - torch.stack(means) * slopes
        constant: Tensor | float = 0.0
        for x, slope, offset, noise in zip(xs, slopes, offsets, noises, strict=True):
            factor, term = _channels(slope, x), _channels(offset, x)  # (C, 1, 1), or (B, C, 1, 1) with noise
            if noise is not None:
                factor, term = factor * noise, term * noise
            base.addcmul_(x, factor)
            constant = constant + term
        ctx.mark_dirty(base.add_(constant))
        ctx.save_for_backward(weights, *means, *inverses, *xs)
        ctx.bns, ctx.noises = bns, noises
        return base

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple:
        terms = len(ctx.bns)
        weights, *saved = ctx.saved_tensors
        means, inverses, xs = (saved[k * terms : (k + 1) * terms] for k in range(3))
        found = []
        for k, (bn, noise) in enumerate(zip(ctx.bns, ctx.noises, strict=True)):
            part = gradient if noise is None else gradient * noise
            wanted = (ctx.needs_input_grad[5 + k], *ctx.needs_input_grad[1:3])
            found.append(_backward(part, xs[k], weights[k], means[k], inverses[k], bn, wanted))
        dxs, dweights, dbiases = zip(*found, strict=True)
        stacks = [None if parts[0] is None else torch.stack(parts) for parts in (dweights, dbiases)]
        return gradient, *stacks, None, None, *dxs
