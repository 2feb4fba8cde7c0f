"""Decoding of label files to the values or colors that they hold, without any scaling by the decoder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ssr_mmseg.datasets.image_files import decode, read_image_file
from ssr_mmseg.datasets.importing.raw_label import TRANSPARENT, RawLabel
from ssr_mmseg.utils.errors import UserError

LOSSLESS = ("PNG", "BMP", "TIFF", "WEBP")
FORMATS = (*LOSSLESS, "JPEG")  # JPEG is recognized to be refused with its reason
BITS_PER_SAMPLE = 258  # TIFF tag
LOSSY = "its compression changes label values: export the labels as PNG again from where they were made"


@dataclass(frozen=True)
class LabelFile:
    """A label in a file of its own: a gray, palette or color picture in a lossless format."""

    path: Path

    def read(self) -> RawLabel:
        """Decode the label.

        Raises:
            UserError: The file is missing, damaged, lossy or of an unsupported form.
        """
        return decode_label(self.path, read_image_file(self.path))


def decode_label(path: Path, data: bytes) -> RawLabel:
    """Decode a label.

    Gray files of 1, 2 and 4 bits have the values 0 to 1, 3 and 15, which Pillow and OpenCV stretch to 255. Palette
    files have the index. Color files have 0xRRGGBB. Fully transparent pixels are `TRANSPARENT`.

    Raises:
        UserError: The file is damaged, lossy, has soft transparency, several pages or an unsupported pixel type.
    """
    picture = decode(path, data, FORMATS)
    if _is_lossy(picture, data):
        raise UserError(f"label {path} is a lossy {picture.format} file; {LOSSY}")
    if (pages := getattr(picture, "n_frames", 1)) > 1:
        raise UserError(f"label {path} has {pages} pages or frames, expected one; export the labels apart")
    bits, mode = bits_per_sample(picture, data), picture.mode
    if mode in ("LA", "La", "PA", "RGB", "RGBA", "RGBa", "RGBX") and bits > 8:
        raise UserError(f"label {path} has {bits} bits per channel, expected 8; convert the colors to class ids")
    if mode in ("1", "P"):
        return RawLabel("value", np.asarray(picture).astype(np.int32), palette=_palette(picture))
    if mode == "L":
        return RawLabel("value", np.asarray(picture).astype(np.int32) // (255 // (2 ** min(bits, 8) - 1)))
    if mode in ("I", "F") or mode.startswith("I;16"):
        return RawLabel("value", _integers(path, np.asarray(picture)))
    if mode == "LA":
        pixels = np.asarray(picture)  # (H, W, 2)
        return RawLabel("value", _with_alpha(path, pixels[..., 0].astype(np.int32), pixels[..., 1]))
    if mode in ("RGB", "RGBA"):
        pixels = np.asarray(picture).astype(np.int32)  # (H, W, 3 or 4)
        codes = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
        return RawLabel("color", codes if mode == "RGB" else _with_alpha(path, codes, pixels[..., 3]))
    raise UserError(f"label {path} has pixels of mode {mode}; expected gray, palette or RGB; convert it to class ids")


def bits_per_sample(picture: Image.Image, data: bytes) -> int:
    """Return the bits of one channel in the file, which Pillow's mode does not tell for less than 8."""
    if picture.format == "PNG":
        return data[24]  # of the IHDR chunk, which comes first
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 8


def _is_lossy(picture: Image.Image, data: bytes) -> bool:
    """Return whether decoding may have changed pixel values: JPEG, also within TIFF, and WebP's lossy form."""
    if picture.format == "WEBP":
        return "VP8L" not in _chunks(data)
    return picture.format == "JPEG" or "jpeg" in str(picture.info.get("compression", ""))


def _chunks(data: bytes) -> list[str]:
    """Return the names of the chunks of a WebP file, which is a RIFF file."""
    names, at = [], 12
    while at + 8 <= len(data):
        names.append(data[at : at + 4].decode("latin-1"))
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return names


def _palette(picture: Image.Image) -> tuple[int, ...]:
    """Return the colors of a palette as 0xRRGGBB; none for a file without one."""
    if picture.mode != "P":
        return ()
    channels = picture.getpalette("RGB") or []
    triples = zip(channels[::3], channels[1::3], channels[2::3], strict=True)
    return tuple(red << 16 | green << 8 | blue for red, green, blue in triples)


def _integers(path: Path, values: np.ndarray) -> np.ndarray:
    """Return values as int32, (H, W), if all of them are integers from 0 to 2³¹ − 1."""
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        raise UserError(f"label {path} holds fractions or no numbers, expected whole class ids; convert it")
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max:
        value = values.min() if values.min() < 0 else values.max()
        raise UserError(f"label {path} holds the value {value:.0f}, expected class ids from 0; convert it")
    return values.astype(np.int32)


def _with_alpha(path: Path, codes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return `codes` (H, W) with `TRANSPARENT` where `alpha` (H, W) is 0."""
    if ((alpha > 0) & (alpha < 255)).any():
        raise UserError(
            f"label {path} has half-transparent pixels, whose class is unclear; export it without smooth edges, or as "
            "a gray or palette PNG"
        )
    return np.where(alpha == 0, TRANSPARENT, codes).astype(np.int32)
