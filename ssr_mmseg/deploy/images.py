"""Reading of images with OpenCV alone."""

from pathlib import Path

import cv2
import numpy as np

from ssr_mmseg.utils.errors import UserError


def read_image(path: Path | str) -> np.ndarray:
    """Decode an image file to (H, W, 3), BGR, uint8, upright by its EXIF orientation, as mmseg does.

    Raises:
        UserError: The file is missing, no image, or has too many pixels.
    """
    if not Path(path).is_file():
        raise UserError(f"image {path} not found; check the path")
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:  # the header specifies more than 2³⁰ pixels
        raise UserError(f"{path} has more pixels than OpenCV can read; make it smaller") from error
    if image is None:
        raise UserError(f"{path} cannot be read as an image; it may be damaged, so check or remove it")
    return image
