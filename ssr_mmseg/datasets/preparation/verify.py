"""Verify image/label pairs, by decoding every file that training will read, and count their classes."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageOps

from ssr_mmseg.datasets.image_files import decode, orientation, read_image_file
from ssr_mmseg.datasets.importing.label_file import bits_per_sample
from ssr_mmseg.datasets.importing.label_map import IGNORED
from ssr_mmseg.datasets.importing.orientation import upright_size
from ssr_mmseg.datasets.preparation.similarity import fingerprint
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.pixel_grid import resize_labels

INVALID = -1
LABEL_MODES = ("1", "L", "P")  # one channel of at most 8 bits; a palette's index is the class id


@dataclass(frozen=True)
class CheckedPair:
    """A verified image/label pair.

    Attributes:
        image, label: The files.
        image_sha256, label_sha256: SHA-256 of their content.
        size: Height and width of the image in pixels, upright.
        orientation: EXIF orientation of the image, 1 to 8.
        pixels: Pixels of each class in the original label, (classes,).
        pixels_eighth: Pixels of each class in the label at 1/8 of the size of the network's input, (classes,).
        ignored: Ignored pixels of the original label.
        fingerprint: Small picture of the image, to find similar ones (see `similarity.py`).
    """

    image: Path
    label: Path
    image_sha256: str
    label_sha256: str
    size: tuple[int, int]
    orientation: int
    pixels: np.ndarray
    pixels_eighth: np.ndarray
    ignored: int
    fingerprint: np.ndarray


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
    image_bytes, label_bytes = read_image_file(image), read_image_file(label)
    photo = decode(image, image_bytes, ("PNG", "JPEG"))
    turned = orientation(photo)
    height, width = upright_size((photo.height, photo.width), turned)  # training decodes with the orientation applied
    values = _label_values(label, label_bytes)  # (H, W)
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
    pixels = count_classes(values, table, classes)
    return CheckedPair(
        image,
        label,
        hashed(image_bytes),
        hashed(label_bytes),
        (height, width),
        turned,
        pixels,
        count_classes(eighth, table, classes),
        values.size - int(pixels.sum()),
        fingerprint(ImageOps.exif_transpose(photo) if turned != 1 else photo),
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


def hashed(data: bytes) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _label_values(label: Path, data: bytes) -> np.ndarray:
    """Return the values of a label as training will decode them, (H, W), uint8.

    Raises:
        UserError: It has several channels, or a number of bits that decoders convert.
    """
    picture = decode(label, data, ("PNG",))
    if picture.mode not in LABEL_MODES:
        raise UserError(
            f"label {label} has pixels of mode {picture.mode}; expected one 8-bit channel; convert it to class ids, "
            "for example with ssr-mmseg import"
        )
    bits = bits_per_sample(picture, data)
    if picture.mode == "L" and bits < 8:
        raise UserError(
            f"label {label} has {bits}-bit gray values, which decoders stretch to 255; expected 8 bits; convert it, "
            "for example with ssr-mmseg import"
        )
    return np.asarray(picture).astype(np.uint8)
