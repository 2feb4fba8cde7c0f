"""The vertical convolution of the operators, with a weight gradient that CPUs compute in half the time.

In channels-last memory a shift along the height by d rows is a shift of the whole image by d·W pixels. The gradient of
each of the three taps is then one product of two contiguous matrices, which matrix libraries do faster than oneDNN's
kernel for tall filters. Elsewhere torch's own gradient is taken.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


def vertical_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`conv(x)` for a 3×1 convolution of stride 1 that keeps the size, (B, inputs, H, W) → (B, outputs, H, W)."""
    quick = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    if quick and conv.weight.requires_grad and x.is_contiguous(memory_format=torch.channels_last):
        return _VerticalConv.apply(x, conv.weight, conv.bias, conv.dilation[0])
    return conv(x)


def tap_gradients(x: Tensor, gradient: Tensor, dilation: int) -> Tensor:
    """Gradient of the weight, (outputs, inputs, 3, 1), from the input and the gradient of the output.

    Args:
        x: (B, inputs, H, W), channels last.
        gradient: (B, outputs, H, W).
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


class _VerticalConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return F.conv2d(x, weight, bias, 1, (dilation, 0), (dilation, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple:
        x, weight = ctx.saved_tensors
        d = ctx.dilation
        dx, dweight = None, None
        if ctx.needs_input_grad[0]:
            dx, _, _ = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [1, 1], [d, 0], [d, 1], False, [0, 0], 1, [True, False, False]
            )
        if ctx.needs_input_grad[1]:
            dweight = tap_gradients(x, gradient, d)
        return dx, dweight, gradient.sum(dim=(0, 2, 3)) if ctx.needs_input_grad[2] else None, None
