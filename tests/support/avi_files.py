"""AVI files of JPEG frames whose header says what a test wants."""

import struct
from collections.abc import Sequence

import cv2
import numpy as np


def jpeg(height: int, width: int, value: int = 100) -> bytes:
    """Encode a gray picture."""
    return cv2.imencode(".jpg", np.full((height, width, 3), value, np.uint8))[1].tobytes()


def avi(
    frames: Sequence[bytes], size: tuple[int, int], rate: int = 10, scale: int = 1, count: int | None = None
) -> bytes:
    """Return an AVI file (Motion JPEG).

    Args:
        frames: JPEG files.
        size: Height and width in the header.
        rate: Frames per `scale` seconds in the header.
        scale: See `rate`.
        count: Number of frames in the header; that of `frames` if None.
    """
    height, width = size
    total = len(frames) if count is None else count
    main = struct.pack("<14I", 100_000, 0, 0, 0x10, total, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s4sIHHIIIIIIIIhhhh", b"vids", b"MJPG", 0, 0, 0, 0, scale, rate, 0, total, 0, 0, 0, 0, 0, 0, 0
    )
    picture = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    header = _list(b"hdrl", _chunk(b"avih", main), _list(b"strl", _chunk(b"strh", stream), _chunk(b"strf", picture)))
    body = header + _list(b"movi", *(_chunk(b"00dc", frame) for frame in frames))
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"AVI " + body


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _list(name: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", name + b"".join(chunks))
