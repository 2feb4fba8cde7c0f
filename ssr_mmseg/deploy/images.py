"""Reading and writing of images with OpenCV alone."""

from pathlib import Path

import cv2
import numpy as np

from ssr_mmseg.deploy.image_header import FORMATS, image_size
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path, read_bytes
from ssr_mmseg.utils.image_limits import MAX_FILE_BYTES, check_pixels

MAX_SCANS = 1000  # of a progressive JPEG file, each of which takes a pass over all pixels; usual are 10


def read_image(path: Path | str) -> np.ndarray:
    """Decode an image file to (H, W, 3), BGR, uint8, upright by its EXIF orientation, as mmseg does.

    The file is read once, and its size in pixels is checked before it is decoded.

    Raises:
        UserError: The file is missing, no image of one of the `FORMATS`, too large, or has too many pixels.
    """
    if not Path(path).is_file():
        raise UserError(f"image {path} not found; check the path")
    try:
        data = read_bytes(Path(path), MAX_FILE_BYTES)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error
    size = image_size(data)
    if size is None:
        raise UserError(f"{path} cannot be read as an image: expected a {FORMATS} file; check or remove it")
    check_pixels(path, *size)
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:  # compressed data never contain FF DA
        raise UserError(f"{path} has more than {MAX_SCANS} scans, the limit for a JPEG file; save it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # OpenCV has limits, too: 2²⁰ pixels along a side
        image = None
    if image is None:
        width, height = size
        raise UserError(
            f"{path}, an image of {width}x{height} pixels, cannot be decoded; it may be damaged, so check or remove it"
        )
    return image


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3), BGR, or (H, W), gray, uint8, atomically; the suffix of `path` chooses the format.

    Raises:
        UserError: The disk is full or the folder is not writable.
    """
    data = encode_image(path, image)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)  # by Python, because OpenCV takes no file names that are not UTF-8


def encode_image(path: Path, image: np.ndarray) -> bytes:
    """Return the content of an image file for (H, W, 3), BGR, or (H, W), gray, uint8, in the format of the suffix.

    Raises:
        UserError: OpenCV cannot encode it.
    """
    ready, data = cv2.imencode(path.suffix, image)
    if not ready:
        raise UserError(f"could not encode {path}; choose a smaller image")
    return bytes(data.tobytes())
