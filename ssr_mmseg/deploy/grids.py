"""Pooling to a grid and bilinear resizing as products with small matrices, at any size.

`F.adaptive_avg_pool2d` to grids that do not divide the map has no ONNX operator. As matrices both are exact, constants
in a graph of fixed size, and computed by the graph itself where the size is open.
"""

import torch
from torch import Tensor


def pooling_matrix(side: int, grid: int, like: Tensor) -> Tensor:
    """(grid, side): row i averages the pixels from ⌊i·side/grid⌋ up to ⌈(i + 1)·side/grid⌉, as adaptive pooling does.

    Args:
        side: pixels along one axis.
        grid: cells along it.
        like: gives device and dtype.
    """
    pixel = torch.arange(side, device=like.device).unsqueeze(0)  # (1, side)
    cell = torch.arange(grid, device=like.device).unsqueeze(1)  # (grid, 1)
    # pixel ≥ ⌊i·side/grid⌋ ⟺ (pixel + 1)·grid > i·side, and pixel < ⌈(i+1)·side/grid⌉ ⟺ pixel·grid < (i+1)·side
    inside = ((pixel + 1) * grid > cell * side) & (pixel * grid < (cell + 1) * side)
    weight = inside.to(_exact(like))
    return (weight / weight.sum(dim=1, keepdim=True)).to(like.dtype)


def resizing_matrix(side: int, grid: int, like: Tensor) -> Tensor:
    """(side, grid): row j interpolates linearly between cell centres, as `F.interpolate` without `align_corners`.

    Args:
        side: pixels to fill along one axis.
        grid: cells along it, at most `side`.
        like: gives device and dtype.
    """
    dtype = _exact(like)
    pixel = torch.arange(side, device=like.device, dtype=dtype)
    place = ((pixel + 0.5) * grid / side - 0.5).clamp(0, grid - 1)  # (side,) in cells; the edge cells go on outside
    cell = torch.arange(grid, device=like.device, dtype=dtype)
    return (1 - (place.unsqueeze(1) - cell).abs()).clamp_min(0).to(like.dtype)


def _exact(like: Tensor) -> torch.dtype:
    """A dtype that holds half pixels: bfloat16 counts to 256 only."""
    return torch.float32 if like.dtype in (torch.float16, torch.bfloat16) else like.dtype
