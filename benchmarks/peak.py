"""Peak arithmetic throughput of a device, from a large matrix product and a wide convolution."""

import torch
from torch import nn

from ssr_mmseg.profiling.precision import DTYPES

SIDE = 2048  # rows and columns of the matrices
CHANNELS, HEIGHT, WIDTH = 128, 128, 256  # of the 3×3 convolution


def peak_steps(device: torch.device, precision: str) -> dict[str, tuple[nn.Module, torch.Tensor, int]]:
    """Return, by name, a module, its input, and the multiply-adds of a run."""
    dtype = DTYPES[precision]
    product = nn.Linear(SIDE, SIDE, bias=False).to(device, dtype).eval()
    convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False).to(device, dtype)
    convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.randn(1, CHANNELS, HEIGHT, WIDTH, device=device, dtype=dtype)
    return {
        "product": (product, torch.randn(SIDE, SIDE, device=device, dtype=dtype), SIDE**3),
        "convolution": (
            convolution.eval(),
            image.to(memory_format=torch.channels_last),
            CHANNELS * CHANNELS * 9 * HEIGHT * WIDTH,
        ),
    }
