"""Pooling to grids and bilinear resizing as products with small matrices, at any size.

`F.adaptive_avg_pool2d` to grids that do not divide the map has no ONNX operator. As matrices both are exact, constants
in a graph of fixed size, and computed by the graph itself where the size is open. The cells of several grids stand
behind each other on one axis, so that a graph computes one matrix for all of them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def pooling_matrix(side: int, grids: Sequence[int], like: Tensor) -> Tensor:
    """(Σ grids, side): the row of cell i of a grid averages the pixels from ⌊i·side/grid⌋ up to ⌈(i + 1)·side/grid⌉.

    This is what adaptive pooling does.

    Args:
        side: pixels along one axis.
        grids: cells along it, of each grid.
        like: gives device and dtype.
    """
    pixel = torch.arange(side, device=like.device)  # (side,)
    cell, grid = (values.unsqueeze(1) for values in _cells(grids, like))  # (Σ grids, 1) each
    # pixel ≥ ⌊i·side/grid⌋ ⟺ (pixel + 1)·grid > i·side, and pixel < ⌈(i+1)·side/grid⌉ ⟺ pixel·grid < (i+1)·side
    inside = ((pixel + 1) * grid > cell * side) & (pixel * grid < (cell + 1) * side)
    weight = inside.to(_exact(like))
    return (weight / weight.sum(dim=1, keepdim=True)).to(like.dtype)


def resizing_matrix(side: int, grids: Sequence[int], like: Tensor) -> Tensor:
    """(side, Σ grids): row j interpolates linearly between the cell centres of each grid, at pixel j.

    This is what `F.interpolate` does without `align_corners`.

    Args:
        side: pixels to fill along one axis.
        grids: cells along it, of each grid.
        like: gives device and dtype.
    """
    dtype = _exact(like)
    pixel = torch.arange(side, device=like.device, dtype=dtype).unsqueeze(1)  # (side, 1)
    cell, grid = (values.to(dtype) for values in _cells(grids, like))  # (Σ grids,) each
    place = torch.minimum(((pixel + 0.5) * grid / side - 0.5).clamp_min(0), grid - 1)  # the edge cells go on outside
    return (1 - (place - cell).abs()).clamp_min(0).to(like.dtype)


def _cells(grids: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """(Σ grids,) each: number of every cell within its grid, and how many cells that grid has."""
    cell = [number for grid in grids for number in range(grid)]
    grid = [grid for grid in grids for _ in range(grid)]
    return torch.tensor(cell, device=like.device), torch.tensor(grid, device=like.device)


def _exact(like: Tensor) -> torch.dtype:
    """A dtype that holds half pixels: bfloat16 counts to 256 only."""
    return torch.float32 if like.dtype in (torch.float16, torch.bfloat16) else like.dtype
