"""Survey of the pairs of a source: sizes, orientation and the codes in each label, found by decoding every label."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ssr_mmseg.datasets.image_files import open_header, orientation, read_image_file
from ssr_mmseg.datasets.importing.label_file import LabelFile, bits_per_sample
from ssr_mmseg.datasets.importing.label_map import Code, codes_of, view
from ssr_mmseg.datasets.importing.orientation import is_raw
from ssr_mmseg.datasets.importing.raw_label import Kind, Pair, RawLabel
from ssr_mmseg.utils.errors import UserError

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_CODES = 4096  # different values or colors in one label


@dataclass(frozen=True)
class Surveyed:
    """A pair and what its files hold.

    Attributes:
        pair: The pair.
        format: Format of the image, such as `JPEG`.
        orientation: EXIF orientation of the image, 1 to 8.
        raw: Whether the label was drawn on the image's stored pixels instead of the upright picture.
        codes: The different codes of the label, (n,), as a `RawLabel`.
        counts: Pixels of each code, (n,).
        plain: Whether the label is a PNG file whose 8-bit values or palette indices decoders return as they are.
    """

    pair: Pair
    format: str
    orientation: int
    raw: bool
    codes: RawLabel
    counts: np.ndarray
    plain: bool

    def pixels(self, kinds: frozenset[Kind]) -> dict[Code, int]:
        """Return the pixels of each code, seen as one of `kinds` (see `label_map.view`)."""
        shown = view(self.codes, self.pair.label.path, kinds)
        pixels: Counter[Code] = Counter()
        for code, count in zip(codes_of(shown, shown.codes), self.counts.tolist(), strict=True):
            pixels[code] += count
        return dict(pixels)


def survey(pairs: Sequence[Pair], wanted_orientation: str = "auto") -> list[Surveyed]:
    """Survey pairs in threads (decoding releases the GIL), and keep their order.

    Raises:
        UserError: A file is unreadable, sizes differ, or a label cannot be one; the first such pair's error.
    """
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(survey_pair, pair, wanted_orientation) for pair in pairs]
        try:
            return [job.result() for job in jobs]
        finally:
            pool.shutdown(cancel_futures=True)


def survey_pair(pair: Pair, wanted_orientation: str = "auto") -> Surveyed:
    """Read the header of a pair's image, and decode its label.

    Raises:
        UserError: See `survey`.
    """
    data = read_image_file(pair.image)
    header = open_header(pair.image, data, IMAGE_FORMATS)
    bits = bits_per_sample(header, data)
    if bits > 8 or header.mode in ("I", "F") or header.mode.startswith("I;16"):
        raise UserError(
            f"image {pair.image} has {max(bits, 16)} bits per channel, and networks read 8; convert the images, "
            "choosing how to scale their values"
        )
    if getattr(header, "n_frames", 1) > 1 and header.format not in ("JPEG", "MPO"):  # MPO: a JPEG with a preview
        raise UserError(f"image {pair.image} has several pages or frames, expected one; save one of them alone")
    raw = pair.label.read()
    turned = orientation(header)
    height, width = raw.codes.shape
    drawn_on_raw = is_raw(
        pair.image, pair.label.path, (header.height, header.width), (height, width), turned, wanted_orientation
    )
    import pandas as pd  # here, because every training imports this module

    inverse, unique = pd.factorize(raw.codes.ravel())
    if len(unique) > MAX_CODES:
        raise UserError(
            f"label {pair.label.path} has {len(unique)} different {'colors' if raw.kind == 'color' else 'values'}; "
            "expected one for each class: it is a photograph, or its edges are smooth; export it without smoothing"
        )
    codes = RawLabel(raw.kind, np.asarray(unique, dtype=np.int32), raw.names, raw.palette)
    plain = isinstance(pair.label, LabelFile) and is_plain(pair.label)
    return Surveyed(pair, header.format or "", turned, drawn_on_raw, codes, np.bincount(inverse), plain)


def is_plain(label: LabelFile) -> bool:
    """Return whether a label is a PNG file whose values every decoder returns as they are."""
    if label.path.suffix != ".png":
        return False
    data = read_image_file(label.path)
    header = open_header(label.path, data, ("PNG", "BMP", "TIFF", "WEBP"))
    return header.format == "PNG" and (header.mode in ("1", "P") or (header.mode == "L" and data[24] == 8))
