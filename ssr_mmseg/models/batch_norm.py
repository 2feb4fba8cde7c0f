"""Parts of batch normalization: statistics, affine map and backward pass, over the images of all processes.

In training mode data-parallel processes normalize by the statistics of their common batch, so that several of them
compute the same as one.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ssr_mmseg.utils import distributed


def scaled_batch_norm(bn: nn.BatchNorm2d, x: Tensor, scale: Tensor | None = None) -> Tensor:
    """Return `scale · bn(x)` per channel, with the scale folded into the affine parameters to save a pass over x."""
    weight, bias = (bn.weight, bn.bias) if scale is None else (bn.weight * scale, bn.bias * scale)
    if bn.training and dist.get_world_size() > 1:
        return _SharedBatchNorm.apply(x, weight, bias, bn)
    momentum = bn.momentum or 0.0
    return F.batch_norm(x, bn.running_mean, bn.running_var, weight, bias, bn.training, momentum, bn.eps)


def batch_statistics(
    xs: Sequence[Tensor], bns: Sequence[nn.BatchNorm2d], biases: Sequence[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the mean and 1/√(variance + ε) of every channel of every x, and update the running statistics.

    Args:
        xs: Inputs (B, Cₖ, Hₖ, Wₖ) of the normalizations.
        bns: The normalizations, which share ε and momentum.
        biases: Biases that the inputs lack, (Cₖ,) each. They are added to the running means only, because a
            normalization by the statistics of the batch subtracts them again.

    Returns:
        Two vectors (Σₖ Cₖ,), with the channels of one x after those of the other.
    """
    momentum, shared = bns[0].momentum or 0.0, dist.get_world_size() > 1
    statistics = [
        torch.batch_norm_update_stats(x, *((None, None) if shared else (bn.running_mean, bn.running_var)), momentum)
        for x, bn in zip(xs, bns, strict=True)
    ]
    mean, variance = (torch.cat(parts) for parts in zip(*statistics, strict=True))
    if shared:  # all processes have the same number of pixels
        means, variances = torch.stack(dist.all_gather(torch.stack([mean, variance]))).unbind(dim=1)
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + means.var(dim=0, unbiased=False)
        widths = [x.shape[1] for x in xs]
        for x, bn, m, v in zip(xs, bns, mean.split(widths), variance.split(widths), strict=True):
            pixels = x.numel() // x.shape[1] * dist.get_world_size()
            cast(Tensor, bn.running_mean).lerp_(m, momentum)
            cast(Tensor, bn.running_var).lerp_(v * (pixels / (pixels - 1)), momentum)
    if biases is not None:
        running = [cast(Tensor, bn.running_mean) for bn in bns]
        torch._foreach_add_(running, [bias.detach() for bias in biases], alpha=momentum)
    return mean, (variance + bns[0].eps).rsqrt()


def affine(x: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """Return slope · x + offset per channel, in the precision of x, (B, C, H, W)."""
    return torch.addcmul(per_channel(offset, x), x, per_channel(slope, x))


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """Return values (…, C) in the precision of `like`, shaped (…, C, 1, 1) to multiply its channels."""
    return values.to(like.dtype).unsqueeze(-1).unsqueeze(-1)


def norm_backward(
    bn: nn.BatchNorm2d, gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of input, weight and bias of a normalization by the statistics of the batch."""
    shared = dist.get_world_size() > 1
    dx, dweight, dbias = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, inverse, True, bn.eps, [not shared, True, True]
    )
    if shared:  # dx depends on the images of all processes, while dweight and dbias stay those of this process's images
        sums = distributed.mean(torch.stack([dbias, dweight])) / (x.numel() // x.shape[1])
        slope = weight * inverse
        curve = -slope * sums[1] * inverse
        dx = affine(x, curve, -slope * sums[0] - mean * curve).addcmul_(gradient, per_channel(slope, x))
    return dx, dweight, dbias


class _SharedBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, bn: nn.BatchNorm2d) -> Tensor:
        mean, inverse = batch_statistics([x], [bn])
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.bn = bn
        slope = weight * inverse
        return affine(x, slope, bias - mean * slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        return (*norm_backward(ctx.bn, gradient, *ctx.saved_tensors), None)


def draw_statistics(network: nn.Module, seed: int) -> None:
    """Draw running statistics such as a training leaves for every batch normalization, in place.

    A new batch normalization is the identity, so a graph without it would agree with the network.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.8, 1.25, generator=generator)
