"""The pixel grid of images, labels and features: of n pixels along a side, pixel i covers [i/n, (i + 1)/n).

Bilinear resizing without `align_corners` follows this grid. Nearest-neighbor resizing in most libraries does not: it
samples the first pixel of each cell instead of the one at its center, and so shifts labels relative to images.
"""

from collections.abc import Sequence

import numpy as np


def center_indices(source: int, target: int) -> np.ndarray:
    """Return the source pixel at the center of each target pixel, (target,): ⌊(i + ½) · source / target⌋.

    Between two pixels, as with even factors, it is the second one. `F.interpolate(mode="nearest-exact")` and Pillow
    choose the same pixels.
    """
    return (2 * np.arange(target) + 1) * source // (2 * target)


def resize_labels(labels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize a label map (H, W) to another height and width; each pixel takes the label at its center."""
    height, width = labels.shape
    # One axis at a time, because indexing both at once is several times slower.
    return labels.take(center_indices(width, size[1]), axis=1).take(center_indices(height, size[0]), axis=0)
