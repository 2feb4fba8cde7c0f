"""Reading of image files from untrusted data: limited in size, of a few formats, with errors that name the cause."""

import io
from pathlib import Path

from PIL import EpsImagePlugin, Image, UnidentifiedImageError

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes
from ssr_mmseg.utils.image_limits import MAX_FILE_BYTES, MAX_PIXELS

ORIENTATION = 0x0112  # EXIF tag

# mmseg lets Pillow detect a label's format from its content, whatever its name: never start Ghostscript for EPS.
EpsImagePlugin.gs_binary = False

SIGNATURES = (  # of files that are often mistaken for images, or images that are not read
    (b"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
    (b"<!DOCTYPE", "a web page: download the file again"),
    (b"<html", "a web page: download the file again"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive: unpack it"),
    (b"GIF8", "a GIF file"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 file"),
    (b"\xffO\xffQ", "a JPEG 2000 file"),
)
BRANDS = {b"heic": "a HEIC file", b"heix": "a HEIC file", b"mif1": "a HEIF file", b"avif": "an AVIF file"}


def read_image_file(path: Path) -> bytes:
    """Read an image file.

    Raises:
        UserError: The file cannot be read, is empty or is too large.
    """
    try:
        data = read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error
    if not data:
        raise UserError(f"{path} is empty (0 bytes); replace it, or remove the pair")
    return data


def open_header(path: Path, data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """Open an image without decoding its pixels.

    Raises:
        UserError: It is not of one of the formats, damaged, or too large.
    """
    # Only these formats, because some of Pillow's other decoders start programs (EPS: Ghostscript).
    try:
        photo = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has too many pixels; at most {MAX_PIXELS} are allowed") from error
    except UnidentifiedImageError as error:
        expected = names_of(formats)
        raise UserError(f"{path} is not a {expected} file but {_guess(data)}; convert or replace it") from error
    except Exception as error:  # decoders raise all kinds of errors on damaged bytes
        raise UserError(f"{path} is damaged: {error}; replace it") from error
    if photo.width * photo.height > MAX_PIXELS:
        raise UserError(f"{path} has {photo.width}x{photo.height} pixels; at most {MAX_PIXELS} are allowed")
    return photo


def decode(path: Path, data: bytes, formats: tuple[str, ...] = ("PNG", "JPEG")) -> Image.Image:
    """Decode an image of limited size.

    Raises:
        UserError: It is damaged, too large or of another format.
    """
    photo = open_header(path, data, formats)
    try:
        photo.load()
    except Exception as error:  # decoders raise all kinds of errors on damaged bytes
        raise UserError(f"{path} is damaged: {error}; replace it") from error
    return photo


def open_image(path: Path, formats: tuple[str, ...] = ("PNG", "JPEG")) -> Image.Image:
    """Read and decode an image file of limited size.

    Raises:
        UserError: The file is missing, damaged, too large or of another format.
    """
    return decode(path, read_image_file(path), formats)


def orientation(photo: Image.Image) -> int:
    """Return the EXIF orientation of an image: 1 for upright, 2 to 8 if its pixels must be turned or mirrored."""
    try:
        value = photo.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged metadata do not make the pixels unreadable
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def names_of(formats: tuple[str, ...]) -> str:
    """Return the names of formats as in `PNG, BMP or TIFF`."""
    *first, last = formats
    return f"{', '.join(first)} or {last}" if first else last


def _guess(data: bytes) -> str:
    """Name what the content of a file looks like."""
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12], "a video or another media file")
    for start, name in SIGNATURES:
        if data[: len(start)].lower() == start.lower():
            return name
    head = data[:64]
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "a text file"
    for name, start in (("PNG", b"\x89PNG"), ("JPEG", b"\xff\xd8"), ("TIFF", b"II*\0"), ("TIFF", b"MM\0*")):
        if head.startswith(start):
            return f"a damaged or unsupported {name} file"
    return "a file of an unknown kind"
