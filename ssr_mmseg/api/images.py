"""Conversion of what users have as images. A machine without Pillow has no PIL images, and does not need it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.deploy.images import read_image
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.image_limits import check_pixels


def to_bgr(image: Any) -> np.ndarray:
    """Return a path, a PIL image or an array (H, W, 3), RGB, uint8, as an array (H, W, 3), BGR, uint8.

    Raises:
        UserError: It is none of them, or the file is no image or has too many pixels.
    """
    if isinstance(image, str | Path):
        return read_image(image)
    if "PIL.Image" in sys.modules and isinstance(image, sys.modules["PIL.Image"].Image):
        from PIL import ImageOps

        check_pixels("the image", image.width, image.height)  # Pillow decodes a file's pixels only now
        try:
            image = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except Exception as error:  # decoders raise all kinds of errors on damaged bytes
            raise UserError(f"the image cannot be decoded ({one_line(error, 200)}); check its file") from error
    if not isinstance(image, np.ndarray):
        raise UserError(
            f"expected an image as a path, a PIL image or an array (H, W, 3), found {type(image).__name__}; convert it"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            f"expected an image of shape (H, W, 3), RGB, of uint8, found shape {image.shape} of {image.dtype}; "
            "convert it"
        )
    return np.ascontiguousarray(image[:, :, ::-1])
