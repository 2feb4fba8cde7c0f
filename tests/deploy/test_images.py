"""Image files of any content are read in limited memory or refused in one clear line."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from patience import PATIENCE
from PIL import Image

from ssr_mmseg.datasets import image_files
from ssr_mmseg.deploy import images
from ssr_mmseg.deploy.images import read_image, write_image
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils import image_limits
from ssr_mmseg.utils.errors import UserError

SIDE = 32_000
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(9)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_zeros(side: int) -> bytes:
    """A whole PNG of side × side black pixels, which takes a few hundred kilobytes."""
    compressor = zlib.compressobj(9)
    rows = b"".join(compressor.compress(bytes(1 + side)) for _ in range(side)) + compressor.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def huge() -> dict[str, bytes]:
    """Files of few bytes and more pixels than are allowed."""
    white = Image.new("1", (10_000, 10_000))
    return {
        "a.png": png_of_zeros(10_000),
        "a.jpg": encoded(white.convert("L"), "JPEG"),
        "a.tif": encoded(white, "TIFF", compression="group4"),
        "a.bmp": encoded(white, "BMP"),
        "a.webp": WEBP,
        "other.png": encoded(white, "TIFF", compression="group4"),
    }


def test_many_pixels_are_refused_before_memory_is_taken(tmp_path):
    for name, data in huge().items():
        (tmp_path / name).write_bytes(data)
    program = """
import json, pathlib, resource, sys
from ssr_mmseg.deploy.images import read_image
from ssr_mmseg.utils.errors import UserError
before, errors = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, {}
for path in pathlib.Path(sys.argv[1]).iterdir():
    try:
        read_image(path)
    except UserError as error:
        errors[path.name] = str(error)
print(json.dumps([errors, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stderr == ""
    errors, peak = json.loads(done.stdout)
    assert errors.keys() == huge().keys()
    for name, error in errors.items():
        size = "16383x16383" if name == "a.webp" else "10000x10000"
        assert error == f"{tmp_path / name} has {size} pixels; at most 64000000 are allowed, so make it smaller"
    assert peak < 50e6  # the files; decoded, each would take 300 MB or more


def test_one_limit_for_all_images():
    assert image_files.MAX_PIXELS == image_limits.MAX_PIXELS
    assert image_files.MAX_FILE_BYTES == images.MAX_FILE_BYTES == image_limits.MAX_FILE_BYTES


COLORS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
PICTURE = Image.fromarray(COLORS)


@pytest.mark.parametrize(
    "data",
    [
        encoded(PICTURE, "PNG"),
        encoded(PICTURE.convert("RGBA"), "PNG"),
        encoded(PICTURE.convert("P"), "PNG"),
        encoded(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), "PNG"),
        encoded(PICTURE.convert("CMYK"), "JPEG"),
        encoded(PICTURE, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        encoded(PICTURE, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40),
        encoded(PICTURE, "WEBP", save_all=True, append_images=[PICTURE] * 3),
        encoded(PICTURE, "PNG", save_all=True, append_images=[PICTURE] * 3),
        encoded(PICTURE, "TIFF", save_all=True, append_images=[PICTURE.resize((5, 5))] * 3),
    ],
    ids=["plain", "alpha", "palette", "16 bits", "CMYK", "bad EXIF", "long EXIF", "animation", "APNG", "pages"],
)
def test_unusual_images_are_read_as_by_opencv(data, tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(data)
    image = read_image(path)
    assert image.shape == (20, 30, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, cv2.imread(str(path)))


def test_images_are_turned_as_their_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "turned.jpg").write_bytes(encoded(PICTURE, "JPEG", exif=exif))
    assert read_image(tmp_path / "turned.jpg").shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read as an image: expected a PNG, JPEG, BMP, TIFF or WebP file"),
        (b"no image", "cannot be read as an image"),
        (encoded(PICTURE, "GIF"), "cannot be read as an image"),
        (b"P6 90000 90000 255\n", "cannot be read as an image"),
        (encoded(PICTURE, "PNG")[:40], "an image of 30x20 pixels, cannot be decoded; it may be damaged"),
        (encoded(PICTURE, "TIFF")[:-200], "an image of 30x20 pixels, cannot be decoded"),
        (encoded(PICTURE, "JPEG", progressive=True) + b"\xff\xda" * 2000, "has more than 1000 scans"),
        (png_of_zeros(1)[:16] + struct.pack(">II", 2**21, 1) + png_of_zeros(1)[24:], "of 2097152x1 pixels, cannot be"),
    ],
    ids=["empty", "text", "GIF", "PPM", "cut PNG", "cut TIFF", "scans", "wide"],
)
def test_what_cannot_be_read_is_refused(data, message, tmp_path):
    (tmp_path / "image.png").write_bytes(data)
    with pytest.raises(UserError, match=f"image.png.*{message}"):
        read_image(tmp_path / "image.png")


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path):
    with open(tmp_path / "image.png", "wb") as file:
        file.truncate(2**40)  # of which the disk holds nothing
    with pytest.raises(UserError, match=r"image\.png is larger than 268435456 bytes"):
        read_image(tmp_path / "image.png")


def test_names_of_any_bytes(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff\x1b[2J.png")
    write_image(path, COLORS)
    np.testing.assert_array_equal(read_image(path), COLORS)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
