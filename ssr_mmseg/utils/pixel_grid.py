"""The pixel grid that images, labels and features share: of n pixels along a side, pixel i covers [i/n, (i + 1)/n).

Bilinear resizing without `align_corners` keeps to this grid. The nearest neighbor of most libraries does not: it takes
the first pixel of each cell instead of the one at its center, and so shifts labels against images.
"""

from collections.abc import Sequence

import numpy as np


def center_indices(source: int, target: int) -> np.ndarray:
    """The source pixel at the center of each target pixel, (target,): ⌊(i + ½) · source / target⌋.

    Between two pixels, as with even factors, it is the second. `F.interpolate(mode="nearest-exact")` and Pillow pick
    the same ones.
    """
    return (2 * np.arange(target) + 1) * source // (2 * target)


def resize_labels(labels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A label map (H, W) at another height and width, each pixel the label at its center."""
    height, width = labels.shape
    # one axis after the other: indexing both at once takes several times as long
    return labels.take(center_indices(width, size[1]), axis=1).take(center_indices(height, size[0]), axis=0)
