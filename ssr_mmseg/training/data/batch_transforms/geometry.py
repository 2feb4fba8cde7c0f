"""Flip, shift, scale and crop of a batch as coordinate maps, which are composed so that pixels are read only once.

A map is four numbers (a_y, b_y, a_x, b_x): the output pixel (y, x) shows the input point (a_y·y + b_y, a_x·x + b_x).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.training.data.batch_transforms.base import BATCH_TRANSFORMS, BatchTransform

IDENTITY = np.array([1.0, 0.0, 1.0, 0.0])


class GeometricTransform(BatchTransform):
    """A transform whose parameters are a coordinate map."""

    def apply(self, images: Tensor, labels: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return resample(images, labels, parameters)


@BATCH_TRANSFORMS.register_module(name="RandomFlip")
class BatchFlip(GeometricTransform):
    """Flip horizontally with probability `prob`."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        return np.array([1.0, 0.0, -1.0, size[1] - 1.0]) if generator.random() < self.prob else IDENTITY


@BATCH_TRANSFORMS.register_module(name="RandomShift")
class BatchShift(GeometricTransform):
    """Shift right and down by 0 to `pixels` pixels each (method §6)."""

    def __init__(self, pixels: int = 2) -> None:
        self.pixels = pixels

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        down, right = generator.integers(0, self.pixels + 1, size=2)
        return np.array([1.0, -down, 1.0, -right])


@BATCH_TRANSFORMS.register_module()
class RandomScaleCrop(GeometricTransform):
    """Scale by a random factor, then crop to the input's size or pad to it, at a random position.

    Factor and position are drawn uniformly, the position in whole pixels.

    Args:
        low: Smallest factor.
        high: Largest factor.
    """

    def __init__(self, low: float = 0.5, high: float = 2.0) -> None:
        self.low, self.high = low, high

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        factor = generator.uniform(self.low, self.high)
        coordinates = []
        for side in size:
            room = round(side * factor) - side  # pixels to crop, or to pad if negative
            offset = int(generator.integers(min(room, 0), max(room, 0) + 1))
            # pixel x shows (x + offset + ½) / factor − ½: pixel centers map onto each other
            coordinates += [1 / factor, (offset + 0.5) / factor - 0.5]
        return np.array(coordinates)


def compose(first: np.ndarray, then: np.ndarray) -> np.ndarray:
    """Return the map of `first` followed by `then`, (..., 4) each."""
    a0, b0, a1, b1 = np.moveaxis(first, -1, 0)
    c0, d0, c1, d1 = np.moveaxis(then, -1, 0)
    return np.stack([a0 * c0, a0 * d0 + b0, a1 * c1, a1 * d1 + b1], axis=-1)


def resample(images: Tensor, labels: Tensor, maps: Tensor, fill: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sample `images` (B, 3, H, W) bilinearly and `labels` (B, H, W) at the nearest pixel, at mapped coordinates.

    Args:
        maps: Coordinate maps, (B, 4).
        fill: Color of pixels outside the image, (3,), black by default; their labels are ignored.

    Returns:
        Images (float) and labels (int64), of the same shapes.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=maps.device, dtype=maps.dtype)
    columns = torch.arange(width, device=maps.device, dtype=maps.dtype)
    y = maps[:, 0:1] * rows + maps[:, 1:2]  # (B, H)
    x = maps[:, 2:3] * columns + maps[:, 3:4]  # (B, W)
    y = (2 * y + 1) / height - 1
    x = (2 * x + 1) / width - 1
    grid = torch.stack([x.unsqueeze(1).expand(-1, height, -1), y.unsqueeze(2).expand(-1, -1, width)], dim=-1)
    outside = torch.zeros(3, device=images.device) if fill is None else fill
    outside = outside.view(1, 3, 1, 1)
    colors = F.grid_sample(images.float() - outside, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    # shifted by IGNORED, so that the zeros that pad them become IGNORED
    shifted = (labels.float() - IGNORED).unsqueeze(1)
    sampled = F.grid_sample(shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return colors + outside, (sampled.squeeze(1) + IGNORED).long()
