"""Limits of the images that are read from untrusted files, the same wherever one is read."""

from pathlib import Path

from ssr_mmseg.utils.errors import UserError

MAX_PIXELS = 64_000_000  # far above any camera's frame, far below a decompression bomb
MAX_FILE_BYTES = 256 * 2**20  # more than 64 million pixels of three channels take


def check_pixels(origin: Path | str, width: int, height: int) -> None:
    """Raise `UserError` unless an image of this width and height, both from the header of `origin`, may be decoded."""
    if width * height > MAX_PIXELS:
        raise UserError(f"{origin} has {width}x{height} pixels; at most {MAX_PIXELS} are allowed, so make it smaller")
