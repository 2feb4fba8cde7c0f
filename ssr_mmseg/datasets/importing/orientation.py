"""EXIF orientation of images, and the labels that belong to them.

A camera that is held sideways stores the pixels as its sensor delivers them, and a note that viewers turn the picture.
Training, evaluation and deployment see the turned picture. A label may have been drawn on either.
"""

from pathlib import Path

import numpy as np

from ssr_mmseg.utils.errors import UserError

TURNS = {  # by EXIF orientation: how the stored pixels become the upright picture
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored upside down",
    5: "mirrored and turned by 90°",
    6: "turned by 90°",
    7: "mirrored and turned by 90°",
    8: "turned by 90°",
}
SWAPPED = (5, 6, 7, 8)  # orientations that exchange height and width


def upright_size(raw: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return height and width of the upright picture, given those of the stored pixels."""
    return raw[::-1] if orientation in SWAPPED else raw


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return stored pixels (H, W) as the upright picture shows them."""
    if orientation in SWAPPED:
        pixels = pixels.T
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def is_raw(
    image: Path, label: Path, raw: tuple[int, int], label_size: tuple[int, int], orientation: int, wanted: str
) -> bool:
    """Return whether a label was drawn on the stored pixels of its image instead of the upright picture.

    Args:
        image, label: The files, for messages.
        raw: Height and width of the stored pixels.
        label_size: Height and width of the label.
        orientation: The image's EXIF orientation, 1 to 8.
        wanted: `upright` or `raw` where the sizes do not tell, `auto` to refuse such a pair.

    Raises:
        UserError: The sizes do not fit, or do not tell.
    """
    upright = upright_size(raw, orientation)
    fits = [name for name, size in (("upright", upright), ("raw", raw)) if size == label_size]
    if not fits:
        turned = f" ({raw[0]}x{raw[1]} before EXIF turns it)" if upright != raw else ""
        raise UserError(
            f"image {image} is {upright[0]}x{upright[1]}{turned} but its label {label} is "
            f"{label_size[0]}x{label_size[1]}; both must have the same size"
        )
    if orientation == 1:
        return False
    if len(fits) == 1:
        return fits == ["raw"]
    if wanted not in fits:
        raise UserError(
            f"image {image} is {TURNS[orientation]} by its EXIF orientation {orientation}, and the size of its label "
            f"{label} does not show whether it was drawn before or after that; look at both, and set orientation: raw "
            "or orientation: upright"
        )
    return wanted == "raw"
