"""The legend of an overlay: a strip with the color and the name of each class."""

from collections.abc import Sequence

import cv2
import numpy as np

PAPER, INK = (255, 255, 255), (26, 28, 28)  # BGR
SMALLEST, LARGEST = 14, 40  # height of the letters, pixels
LONGEST = 40  # characters of a name


class Letters:
    """Text in OpenCV's font, which has letters of most scripts; that of OpenCV 4 has ASCII only, and ? for others.

    Args:
        size: Height of a line, pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.face = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
        self.scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, round(0.7 * size), 1)

    def width(self, text: str) -> int:
        """Return the width of a text in pixels."""
        if self.face is not None:
            x, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), self.face, self.size)
            return int(x + wide)
        return int(cv2.getTextSize(_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, self.scale, 1)[0][0])

    def draw(self, picture: np.ndarray, text: str, place: tuple[int, int]) -> None:
        """Draw a text into a picture (H, W, 3), its first letter's bottom left at the place (x, y)."""
        if self.face is not None:
            cv2.putText(picture, text, place, INK, self.face, self.size)
        else:
            flags = (cv2.FONT_HERSHEY_SIMPLEX, self.scale, INK, 1, cv2.LINE_AA)
            cv2.putText(picture, _ascii(text), place, *flags)


def legend_strip(names: Sequence[str], colors: np.ndarray, width: int) -> np.ndarray:
    """Draw names and colors in as many columns as fit.

    Args:
        names: Names of the classes.
        colors: Their colors, (classes, 3), BGR, uint8.
        width: Width of the image that it belongs to, pixels; the letters grow with it.

    Returns:
        The strip (h, w, 3), uint8; w is `width`, or that of the longest name if the image is narrower.
    """
    size = int(np.clip(width // 80, SMALLEST, LARGEST))
    letters, row = Letters(size), size + size // 2
    short = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    column = 3 * size + max((letters.width(name) for name in short), default=0)
    columns = max(1, width // column)
    rows = -(-len(short) // columns)
    strip = np.full((rows * row + size, max(width, column), 3), PAPER, np.uint8)
    for number, (name, color) in enumerate(zip(short, colors.tolist(), strict=True)):
        x, y = number // rows * column + size // 2, number % rows * row + size // 2
        cv2.rectangle(strip, (x, y), (x + size, y + size), color, cv2.FILLED)
        cv2.rectangle(strip, (x, y), (x + size, y + size), INK, 1)
        letters.draw(strip, name, (x + size + size // 2, y + size - size // 6))
    return strip


def _ascii(text: str) -> str:
    return text.replace("…", "...").encode("ascii", "replace").decode()
