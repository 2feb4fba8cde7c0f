"""Verify image/label pairs and count their classes: every byte that training will decode is decoded here first."""

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

MAX_PIXELS = 64_000_000  # far above any camera's frame, far below what a decompression bomb asks for
MAX_FILE_BYTES = 256 * 2**20  # as many bytes as 64 million pixels of three channels may take, and more
IGNORED = 255
INVALID = -1
LABEL_MODES = ("1", "L", "P")  # one 8-bit channel; a palette's index is the class id
ROTATED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112


# mmseg lets Pillow tell a label's format by its content, whatever its name: no image may start Ghostscript.
EpsImagePlugin.gs_binary = False


@dataclass(frozen=True)
class CheckedPair:
    """A verified pair.

    `pixels` (classes,) counts the label as it is, `pixels_eighth` what is left of it at 1/8 of the network's input.
    """

    image: Path
    label: Path
    image_sha256: str
    label_sha256: str
    pixels: np.ndarray
    pixels_eighth: np.ndarray


def count_classes(label: np.ndarray, table: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each class, (classes,): `table` (256,) maps a label value to its class, IGNORED or INVALID."""
    values = np.bincount(label.ravel(), minlength=256)
    valid = (table >= 0) & (table < classes)
    counts = np.zeros(classes, dtype=np.int64)
    np.add.at(counts, table[valid], values[valid])
    return counts


def check_pair(image: Path, label: Path, table: np.ndarray, classes: int, size: Sequence[int]) -> CheckedPair:
    """Decode both files of a pair, compare their sizes and count the label's classes.

    Args:
        image: PNG or JPEG.
        label: PNG of one 8-bit channel.
        table: (256,) class of each label value, or IGNORED or INVALID.
        classes: number of classes.
        size: height and width of the network's input.

    Raises:
        UserError: a file is missing, damaged or too large, the sizes differ, or a label value is INVALID.
    """
    image_bytes, label_bytes = _read(image), _read(label)
    picture, rotated = _decode(image, image_bytes, ("PNG", "JPEG"))
    height, width = picture.height, picture.width
    if rotated:
        height, width = width, height  # training decodes with the orientation applied
    drawn, _ = _decode(label, label_bytes, ("PNG",))
    if drawn.mode not in LABEL_MODES:
        raise UserError(
            f"label {label} has pixels of mode {drawn.mode}; expected one 8-bit channel of class ids: convert colours"
        )
    values = np.asarray(drawn).astype(np.uint8)  # (H, W)
    if values.shape != (height, width):
        raise UserError(
            f"image {image} is {height}x{width} but its label {label} is {values.shape[0]}x{values.shape[1]}; "
            "both must have one size"
        )
    wrong = np.intersect1d(values, np.flatnonzero(table == INVALID))
    if wrong.size:
        ignored = ", ".join(map(str, np.flatnonzero(table == IGNORED))) or "none"
        found = ", ".join(map(str, wrong[:5]))
        raise UserError(
            f"label {label} holds the value {found}; expected classes 0 to {classes - 1} or ignored values ({ignored})"
        )
    # as the search's loss gets them: at the size of the network's input, then at 1/8 of it
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
    """`check_pair` for many, in threads (decoding and hashing release the interpreter's lock), in the given order.

    Raises:
        UserError: of the first pair that fails.
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
        UserError: it is missing, damaged, too large or of another format.
    """
    return _decode(path, _read(path), formats)[0]


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error


def _decode(path: Path, data: bytes, formats: tuple[str, ...]) -> tuple[Image.Image, bool]:
    """The decoded image, and whether its EXIF orientation swaps height and width."""
    # The formats are limited because some of Pillow's other decoders start programs (EPS: Ghostscript).
    names = " or ".join(formats)
    try:
        picture = Image.open(io.BytesIO(data), formats=formats)
        if picture.width * picture.height > MAX_PIXELS:
            raise UserError(f"{path} has {picture.width}x{picture.height} pixels; at most {MAX_PIXELS} are allowed")
        picture.load()
        rotated = picture.getexif().get(ORIENTATION) in ROTATED
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has too many pixels; at most {MAX_PIXELS} are allowed") from error
    except Exception as error:  # decoders raise many kinds of errors on damaged bytes
        raise UserError(f"{path} is damaged or no {names}: {error}; replace the file") from error
    return picture, rotated
