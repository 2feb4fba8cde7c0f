"""Segmentation of large images by an exported network of fixed input size. Imports neither torch nor mmseg."""

import math
from typing import Protocol

import numpy as np

from ssr_mmseg.deploy.onnx_metadata import OnnxMetadata
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.windows import LogitsBand, central_parts, windows

MAX_WINDOWS = 100_000  # per image
MAX_BAND = 2**30  # logits of a row of windows; 4 GiB


class FileNetwork(Protocol):
    """A network from a file: an exported one, or any other that is described like one."""

    metadata: OnnxMetadata

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Return the class of each pixel (H, W), uint8, of an image (H, W, 3), BGR, uint8."""
        ...

    def window(self, crop: np.ndarray) -> np.ndarray:
        """Return the classes (h, w) or logits (classes, h, w) of a window from a crop (≤ h, ≤ w, 3), BGR, uint8."""
        ...


def segment(network: FileNetwork, image: np.ndarray) -> np.ndarray:
    """Return the class of each pixel (H, W), uint8, of an image (H, W, 3), BGR, whole or by windows."""
    overlap = network.metadata.overlap
    return network.labels(image) if overlap is None else segment_large(network, image, overlap)


def segment_large(network: FileNetwork, image: np.ndarray, overlap: int) -> np.ndarray:
    """Return the class of each pixel (H, W), uint8, of an image that is covered by windows of the network's input size.

    The image is not resized; if it is smaller than the input, it is padded with the mean color at the bottom and right.
    With the head `logits`, logits are averaged where windows overlap, as in mmseg's `slide` mode, in memory for one row
    of windows. With the head `labels`, each pixel takes the class from the window in which it is farthest from the
    edges.

    Args:
        network: Exported network.
        image: Image (H, W, 3), BGR, uint8.
        overlap: Pixels that neighboring windows share; see `windows`.

    Raises:
        ValueError: The overlap is negative or not smaller than a side of the input.
        UserError: The network cannot run on a window (see `ExportedNetwork`), or the image takes too many windows or
            too wide a row of them.
    """
    window = network.metadata.size
    _check_size(network, image.shape[:2], overlap)
    starts = windows(image.shape[:2], window, overlap)
    rows, columns = image.shape[:2]
    if network.metadata.head == "labels":
        labels = np.empty((rows, columns), np.uint8)
        parts = central_parts(image.shape[:2], window, overlap)
        for (top, left), (row, column) in zip(starts, parts, strict=True):
            part = network.window(image[top : top + window[0], left : left + window[1]])
            labels[row, column] = part[row.start - top : row.stop - top, column.start - left : column.stop - left]
        return labels
    height, wide = window[0], max(columns, window[1])
    band = LogitsBand(
        np.zeros((len(network.metadata.classes), height, wide), np.float32),
        np.zeros((height, wide), np.float32),
        np.empty((max(rows, height), wide), np.uint8),
    )
    for top, left in starts:
        band.add(top, left, network.window(image[top : top + window[0], left : left + window[1]]))
    return band.finish()[:rows, :columns]


def _check_size(network: FileNetwork, size: tuple[int, ...], overlap: int) -> None:
    """Raise `UserError` before an image of the size (H, W) takes more memory or windows than any image needs."""
    window, classes = network.metadata.size, len(network.metadata.classes)
    count = math.prod(
        1 + math.ceil(max(side - length, 0) / max(length - overlap, 1))
        for side, length in zip(size, window, strict=True)
    )
    shape = f"an image of {size[1]}x{size[0]} pixels and windows of {window[1]}x{window[0]}"
    if count > MAX_WINDOWS:
        raise UserError(f"{shape} take {count} windows, expected at most {MAX_WINDOWS}; cut the image into parts")
    band = classes * window[0] * max(size[1], window[1])
    if network.metadata.head == "logits" and band > MAX_BAND:
        raise UserError(
            f"{shape} take {band} logits at once, expected at most {MAX_BAND}; cut the image into parts, or export "
            "the network with --head labels"
        )
