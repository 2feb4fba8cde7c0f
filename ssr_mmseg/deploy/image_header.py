"""Width and height in the headers of image files, so that a small file of very many pixels is refused undecoded.

Only what OpenCV's decoders read as well is accepted: where a header could be read in two ways, no size is returned.
"""

import struct

FORMATS = "PNG, JPEG, BMP, TIFF or WebP"
SHORT, LONG = 3, 4  # types of TIFF values
WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT = 256, 257, 322, 323  # TIFF tags


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height in pixels that an image file's header gives, before any rotation.

    They are at least those of the parts in which it is decoded, such as the tiles of a TIFF file.

    Returns:
        None if the content is not of one of the `FORMATS`, or its header is damaged.
    """
    readers = (
        (b"\x89PNG\r\n\x1a\n", _png),
        (b"\xff\xd8\xff", _jpeg),
        (b"BM", _bmp),
        (b"II*\0", _tiff),
        (b"MM\0*", _tiff),
        (b"RIFF", _webp),
    )
    for start, read in readers:
        if data.startswith(start):
            try:
                width, height = read(data)
            except (struct.error, ValueError):  # it ends early, or is not as specified
                return None
            return (width, height) if width > 0 and height > 0 else None
    return None


def _png(data: bytes) -> tuple[int, int]:
    if data[8:16] != b"\0\0\0\x0dIHDR":  # the first chunk, of 13 bytes
        raise ValueError
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    """Read the first start of frame (SOF), as libjpeg does, which refuses a second one."""
    position = 2
    while True:
        position = data.index(b"\xff", position)  # libjpeg skips what lies between segments
        while data[position : position + 1] == b"\xff":
            position += 1
        (marker,) = struct.unpack_from("B", data, position)
        position += 1
        if marker == 0 or marker == 1 or 0xD0 <= marker <= 0xD7:  # without a length
            continue
        if marker in (0xD8, 0xD9, 0xDA):  # no frame before the end or the pixels
            raise ValueError
        (length,) = struct.unpack_from(">H", data, position)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
        if length < 2:
            raise ValueError
        position += length


def _bmp(data: bytes) -> tuple[int, int]:
    (length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if length == 12 else "<ii", data, 18)
    return width, abs(height)  # negative heights mean that the top row is the first


def _tiff(data: bytes) -> tuple[int, int]:
    """Read the first directory, the only one that is decoded."""
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    sides: dict[int, int] = {}
    for entry in range(entries):
        position = start + 2 + 12 * entry
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, position)
        if tag not in (WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT):
            continue
        if tag in sides or kind not in (SHORT, LONG) or count != 1:
            raise ValueError
        (sides[tag],) = struct.unpack_from(f"{order}{'H' if kind == SHORT else 'I'}", data, position + 8)
    if not {WIDTH, HEIGHT} <= sides.keys():
        raise ValueError
    # Whole tiles are decoded, which may be larger than the image.
    return max(sides[WIDTH], sides.get(TILE_WIDTH, 0)), max(sides[HEIGHT], sides.get(TILE_HEIGHT, 0))


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[8:16]
    if kind == b"WEBPVP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF  # the upper bits ask for scaling
    if kind == b"WEBPVP8L" and data[20:21] == b"\x2f":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"WEBPVP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise ValueError
