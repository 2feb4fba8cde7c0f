"""Overlapping windows that cover a large image, and the average of their logits in bounded memory.

The windows are those of mmseg's `slide` mode (`EncoderDecoder.slide_inference`). Arrays are of numpy or torch: nothing
here imports torch, so that exported networks run without it.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def window_starts(side: int, window: int, stride: int) -> list[int]:
    """Return the first pixel of each window along one side of an image, in ascending order.

    The last window is shifted back so that it ends at the border. A side shorter than the window has one window, at 0,
    that extends beyond the border.

    Args:
        side: Length of the image's side, in pixels.
        window: Length of the window's side.
        stride: Pixels between the starts of neighboring windows, except before the last one.

    Raises:
        ValueError: A length is not positive, or the stride would leave gaps.
    """
    if side < 1 or not 1 <= stride <= window:
        raise ValueError(f"expected a side of at least 1 and a stride of 1 to {window}, found {side} and {stride}")
    last = max(side - window, 0)
    return [*range(0, last, stride), last]


def windows(size: Sequence[int], window: Sequence[int], overlap: int) -> list[tuple[int, int]]:
    """Return the top and left pixel of each window that covers an image, row by row.

    Args:
        size: Height and width of the image.
        window: Height and width of the windows.
        overlap: Pixels, along both sides, that neighboring windows share; the last ones share more.

    Raises:
        ValueError: The overlap is negative or not smaller than a side of the window.
    """
    rows, columns = _starts(size, window, overlap)
    return [(top, left) for top in rows for left in columns]


def central_parts(size: Sequence[int], window: Sequence[int], overlap: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns that each window of `windows` is nearest to, in the same order.

    They divide the image without overlap, at the middle of the overlaps: each pixel belongs to the window in which it
    is farthest from the edges that lie inside the image, with at least half the overlap, rounded down, between. Of two
    equally near windows, the later one takes it.

    Raises:
        ValueError: See `windows`.
    """
    rows, columns = (
        _nearest(starts, *lengths)
        for starts, *lengths in zip(_starts(size, window, overlap), size, window, strict=True)
    )
    return [(row, column) for row in rows for column in columns]


class LogitsBand:
    """Average of overlapping windows of logits, of which only one row of windows is held.

    Windows are added row by row, as `windows` orders them. The rows of the image above the current windows are final:
    their labels are written, and their place is reused. The sums are added in the order of mmseg, whose labels they
    equal.

    Args:
        sums: Zeros (classes, h, W), floats, with the height h of the windows and the width W of the image, at least
            that of the windows.
        counts: Zeros (h, W), floats.
        labels: To be filled with the classes, (H, W), integers, where H is at least h.
    """

    def __init__(self, sums: Any, counts: Any, labels: Any) -> None:
        self.sums, self.counts, self.labels, self.top = sums, counts, labels, 0

    def add(self, top: int, left: int, logits: Any) -> None:
        """Add the logits (classes, h, w) of a window, which is not above the one before."""
        self._advance(top)
        columns = slice(left, left + logits.shape[2])
        self.sums[:, :, columns] += logits
        self.counts[:, columns] += 1

    def finish(self) -> Any:
        """Write the labels of the last row of windows and return all of them, (H, W)."""
        self._advance(self.labels.shape[0])
        return self.labels

    def _advance(self, top: int) -> None:
        """Write the labels of the rows above `top`, and move the band there."""
        height = self.counts.shape[0]
        final = top - self.top
        # Row by row, which needs no memory beyond (classes, W), and lets the moved rows overlap their old place.
        for row in range(final):
            self.labels[self.top + row] = (self.sums[:, row] / self.counts[row]).argmax(0)
        if final:
            for row in range(final, height):
                self.sums[:, row - final] = self.sums[:, row]
                self.counts[row - final] = self.counts[row]
            self.sums[:, height - final :] = 0
            self.counts[height - final :] = 0
        self.top = top


def _starts(size: Sequence[int], window: Sequence[int], overlap: int) -> list[list[int]]:
    """Return the starts of the windows along the height and along the width."""
    if not 0 <= overlap < min(window):
        raise ValueError(f"expected an overlap of 0 to {min(window) - 1}, less than the window, found {overlap}")
    return [window_starts(side, length, length - overlap) for side, length in zip(size, window, strict=True)]


def _nearest(starts: Sequence[int], side: int, window: int) -> list[slice]:
    """Return the pixels along a side that are nearest to the center of each window."""
    seams = [(first + second + window) // 2 for first, second in pairwise(starts)]
    return [slice(*ends) for ends in zip([0, *seams], [*seams, side], strict=True)]
