"""Size of a network: multiply-adds of one image, and number of parameters."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_macs(model: nn.Module, size: tuple[int, int], channels: int = 3) -> int:
    """Count the multiply-adds of one image in eval mode, by running the network once on zeros.

    Counts convolutions, including transposed ones, and matrix products; not biases, normalization, activations,
    pooling and interpolation. Runs a copy on the model's own device, so the model is unchanged.

    Args:
        model: Maps images (1, `channels`, H, W) to anything.
        size: Height and width in pixels.
        channels: Channels of the image.
    """
    network = copy.deepcopy(model).eval()
    parameter = next(network.parameters(), torch.empty(0))
    image = torch.zeros(1, channels, *size, device=parameter.device, dtype=parameter.dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops() // 2  # torch counts a multiply-add as two operations


def count_parameters(model: nn.Module) -> int:
    """Count the parameters, trained or frozen; shared ones count once, buffers do not count."""
    return sum(parameter.numel() for parameter in model.parameters())
