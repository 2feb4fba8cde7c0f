"""Verify image/label pairs, by decoding every file that training will read, and count their classes."""

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import EpsImagePlugin, Image

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes
from ssr_mmseg.utils.pixel_grid import resize_labels

MAX_PIXELS = 64_000_000  # far above any camera's frame, far below a decompression bomb
MAX_FILE_BYTES = 256 * 2**20  # more than 64 million pixels of three channels take
IGNORED = 255
INVALID = -1
LABEL_MODES = ("1", "L", "P")  # one channel of at most 8 bits; a palette's index is the class id
ROTATED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112


# mmseg lets Pillow detect a label's format from its content, whatever its name: never start Ghostscript for EPS.
EpsImagePlugin.gs_binary = False


@dataclass(frozen=True)
class CheckedPair:
    """A verified image/label pair.

    `pixels` (classes,) counts the pixels of the original label, `pixels_eighth` (classes,) those of the label at 1/8 of
    the size of the network's input.
    """

    image: Path
    label: Path
    image_sha256: str
    label_sha256: str
    pixels: np.ndarray
    pixels_eighth: np.ndarray


def count_classes(label: np.ndarray, table: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of each class, (classes,); `table` (256,) maps label values to a class, IGNORED or INVALID."""
    values = np.bincount(label.ravel(), minlength=256)
    valid = (table >= 0) & (table < classes)
    counts = np.zeros(classes, dtype=np.int64)
    np.add.at(counts, table[valid], values[valid])
    return counts


def check_pair(image: Path, label: Path, table: np.ndarray, classes: int, size: Sequence[int]) -> CheckedPair:
    """Decode both files of a pair, compare their sizes and count the label's classes.

    Args:
        image: A PNG or JPEG file.
        label: A PNG file with one 8-bit channel.
        table: Class of each label value, or IGNORED or INVALID, (256,).
        classes: Number of classes.
        size: Height and width of the network's input.

    Raises:
        UserError: A file is missing, damaged or too large, the sizes differ, or a label value is INVALID.
    """
    image_bytes, label_bytes = _read(image), _read(label)
    photo, rotated = _decode(image, image_bytes, ("PNG", "JPEG"))
    height, width = photo.height, photo.width
    if rotated:
        height, width = width, height  # training decodes with the orientation applied
    label_map, _ = _decode(label, label_bytes, ("PNG",))
    if label_map.mode not in LABEL_MODES:
        raise UserError(
            f"label {label} has pixels of mode {label_map.mode}; expected one 8-bit channel; convert it to class ids"
        )
    values = np.asarray(label_map).astype(np.uint8)  # (H, W)
    if values.shape != (height, width):
        raise UserError(
            f"image {image} is {height}x{width} but its label {label} is {values.shape[0]}x{values.shape[1]}; "
            "both must have the same size"
        )
    wrong = np.intersect1d(values, np.flatnonzero(table == INVALID))
    if wrong.size:
        ignored = ", ".join(map(str, np.flatnonzero(table == IGNORED))) or "none"
        examples = ", ".join(map(str, wrong[:5]))
        raise UserError(
            f"label {label} contains the value {examples}; expected classes 0 to {classes - 1} "
            f"or ignored values ({ignored})"
        )
    # Resized as for the search's loss: to the size of the network's input, then to 1/8 of it.
    eighth = resize_labels(resize_labels(values, size), [side // 8 for side in size])
    return CheckedPair(
        image,
        label,
        hashlib.sha256(image_bytes).hexdigest(),
        hashlib.sha256(label_bytes).hexdigest(),
        count_classes(values, table, classes),
        count_classes(eighth, table, classes),
    )


def check_pairs(
    pairs: Sequence[tuple[Path, Path]], table: np.ndarray, classes: int, size: Sequence[int]
) -> list[CheckedPair]:
    """Run `check_pair` on many pairs in threads (decoding and hashing release the GIL), and keep their order.

    Raises:
        UserError: A pair is invalid; the error of the first such pair is raised.
    """
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(check_pair, image, label, table, classes, size) for image, label in pairs]
        try:
            return [job.result() for job in jobs]
        finally:
            pool.shutdown(cancel_futures=True)


def open_image(path: Path, formats: tuple[str, ...] = ("PNG", "JPEG")) -> Image.Image:
    """Decode an image file of limited size.

    Raises:
        UserError: The file is missing, damaged, too large or of another format.
    """
    return _decode(path, _read(path), formats)[0]


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error


def _decode(path: Path, data: bytes, formats: tuple[str, ...]) -> tuple[Image.Image, bool]:
    """Return the decoded image, and whether its EXIF orientation swaps height and width."""
    # Only these formats, because some of Pillow's other decoders start programs (EPS: Ghostscript).
    names = " or ".join(formats)
    try:
        photo = Image.open(io.BytesIO(data), formats=formats)
        if photo.width * photo.height > MAX_PIXELS:
            raise UserError(f"{path} has {photo.width}x{photo.height} pixels; at most {MAX_PIXELS} are allowed")
        photo.load()
        rotated = photo.getexif().get(ORIENTATION) in ROTATED
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has too many pixels; at most {MAX_PIXELS} are allowed") from error
    except Exception as error:  # decoders raise all kinds of errors on damaged bytes
        raise UserError(f"{path} is damaged or not a {names} file: {error}; replace it") from error
    return photo, rotated
