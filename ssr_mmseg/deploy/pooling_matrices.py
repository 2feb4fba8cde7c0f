"""Adaptive pooling to grids and bilinear resizing as products with small matrices, at any size.

ONNX has no operator for `F.adaptive_avg_pool2d` to grids that do not divide the map. As matrices both are exact; they
are constants in a graph of fixed size and computed by the graph if the size is open. The cells of several grids are
concatenated along one axis, so that a graph computes one matrix for all of them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def pooling_matrix(side: int, grids: Sequence[int], like: Tensor) -> Tensor:
    """Return the matrix (Σ grids, side) of adaptive average pooling along one axis.

    The row of cell i of a grid averages the pixels from ⌊i·side/grid⌋ up to ⌈(i + 1)·side/grid⌉.

    Args:
        side: Pixels along the axis.
        grids: Cells of each grid along the axis.
        like: Gives device and dtype.
    """
    pixel = torch.arange(side, device=like.device)  # (side,)
    cell, grid = (values.unsqueeze(1) for values in _cells(grids, like))  # (Σ grids, 1) each
    # pixel ≥ ⌊i·side/grid⌋ ⟺ (pixel + 1)·grid > i·side, and pixel < ⌈(i+1)·side/grid⌉ ⟺ pixel·grid < (i+1)·side
    inside = ((pixel + 1) * grid > cell * side) & (pixel * grid < (cell + 1) * side)
    weight = inside.to(_exact(like))
    return (weight / weight.sum(dim=1, keepdim=True)).to(like.dtype)


def resizing_matrix(side: int, grids: Sequence[int], like: Tensor) -> Tensor:
    """Return the matrix (side, Σ grids) of linear interpolation along one axis, without `align_corners`.

    Row j interpolates between the cell centers of each grid at pixel j.

    Args:
        side: Pixels to fill along the axis.
        grids: Cells of each grid along the axis.
        like: Gives device and dtype.
    """
    dtype = _exact(like)
    pixel = torch.arange(side, device=like.device, dtype=dtype).unsqueeze(1)  # (side, 1)
    cell, grid = (values.to(dtype) for values in _cells(grids, like))  # (Σ grids,) each
    place = torch.minimum(((pixel + 0.5) * grid / side - 0.5).clamp_min(0), grid - 1)  # edge cells extend outwards
    return (1 - (place - cell).abs()).clamp_min(0).to(like.dtype)


def _cells(grids: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Return each cell's index within its grid and the number of cells of that grid, (Σ grids,) each."""
    # made on the device: a CUDA graph cannot record a copy of a list from the host
    cell = [torch.arange(grid, device=like.device) for grid in grids]
    return torch.cat(cell), torch.cat([torch.full_like(numbers, len(numbers)) for numbers in cell])


def _exact(like: Tensor) -> torch.dtype:
    """Return a dtype that represents half pixels exactly: bfloat16 counts to 256 only."""
    return torch.float32 if like.dtype in (torch.float16, torch.bfloat16) else like.dtype
