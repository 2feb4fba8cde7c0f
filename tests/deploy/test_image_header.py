"""The size in an image's header is that of the decoded image, and is known before memory is taken for the pixels."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssr_mmseg.deploy.image_header import image_size

MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"),
    "WEBP": ("RGB", "RGBA"),
}
OPTIONS: dict[str, list[dict]] = {
    "JPEG": [{}, {"progressive": True}, {"comment": b"\xff\xc0\x00\x11" * 9}, {"exif": b"Exif\0\0" + b"\xff\xc0" * 30}],
    "TIFF": [{}, {"compression": "tiff_deflate"}, {"compression": "tiff_lzw"}],
    "WEBP": [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0"}, {"save_all": True, "duration": 10}],
}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes, tuple[int, int]]:
    """Draw the format, the content and the width and height of an image file."""
    kind = draw(st.sampled_from(sorted(MODES)))
    mode = draw(st.sampled_from(MODES[kind]))
    width, height = draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    picture = Image.new(mode, (width, height))
    options = draw(st.sampled_from(OPTIONS.get(kind, [{}])))
    if options.get("save_all"):
        options = {**options, "append_images": [Image.new(mode, (width, height), "white")]}
    if options.get("compression") and mode == "1":
        options = {}
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return kind, buffer.getvalue(), (width, height)


@settings(max_examples=300, database=None)
@given(files())
def test_it_is_the_size_of_the_image(file):
    _, data, size = file
    assert image_size(data) == size
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape[:2] == size[::-1]


@settings(max_examples=300, database=None)
@given(files(), st.data())
def test_a_damaged_header_never_promises_less_than_is_decoded(file, draw):
    data = bytearray(file[1])
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, min(len(data) - 1, 120)))
        data[place] = draw.draw(st.sampled_from([0, 1, 2, 0x10, 0xC0, 0xC2, 0xD8, 0xFF]) | st.integers(0, 255))
    size = image_size(bytes(data))
    if size is None or size[0] * size[1] > 4_000_000:
        return
    try:
        decoded = cv2.imdecode(np.frombuffer(bytes(data), np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return
    assert decoded is None or decoded.shape[0] * decoded.shape[1] <= size[0] * size[1]


@settings(max_examples=200, database=None)
@given(files(), st.integers(0, 200))
def test_a_file_that_ends_early_has_a_size_or_none(file, length):
    assert image_size(file[1][:length]) in (file[2], None)


def tiff(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """A TIFF file with these entries, of tag, type, count and value, and no pixels."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    packed = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return start + struct.pack(f"{order}IH", 8, len(entries)) + packed + bytes(4)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (tiff((256, 4, 1, 70_000), (257, 4, 1, 30)), (70_000, 30)),
        (tiff((256, 4, 1, 70_000), (257, 4, 1, 30), order=">"), (70_000, 30)),
        (tiff((256, 3, 1, 8), (257, 3, 1, 8), (322, 4, 1, 2**24), (323, 4, 1, 2**20)), (2**24, 2**20)),  # tiles
        (tiff((256, 3, 1, 8), (257, 3, 1, 8), (256, 3, 1, 9)), None),  # which of them is read depends on the reader
        (tiff((256, 3, 2, 8), (257, 3, 1, 8)), None),
        (tiff((256, 5, 1, 8), (257, 3, 1, 8)), None),
        (tiff((257, 3, 1, 8)), None),
        (b"II*\0\xff\xff\xff\xff", None),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, 32_000, -32_000), (32_000, 32_000)),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, -1, 5), None),
        (b"\xff\xd8" + b"\xff\xda\0\4\0\0" * 3, None),
        (b"\xff\xd8\xff\xe0\0\0", None),
        (b"GIF89a" + bytes(20), None),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20), None),
        (b"P6 90000 90000 255\n", None),
        (b"", None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_sizes_of_unusual_headers(data, size):
    assert image_size(data) == size
