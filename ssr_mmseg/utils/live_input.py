"""Addresses of cameras and streams, as users write them on the command line."""

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEMES = ("rtsp", "rtsps", "http", "https")
MAX_ADDRESS = 2000  # characters


@dataclass(frozen=True)
class LiveInput:
    """A camera or a stream, which has no end that is known.

    Attributes:
        address: Number of the camera, or the address of the stream.
    """

    address: int | str

    @property
    def title(self) -> str:
        """Name for messages. A stream's has neither user, password nor query, which are secrets."""
        if isinstance(self.address, int):
            return f"camera {self.address}"
        parts = urlsplit(self.address)
        return f"stream {parts.scheme}://{_place(self.address)}{parts.path}"

    @property
    def stem(self) -> str:
        """Name for files, without a suffix: `camera0`, or `192.168.0.9_live` of `rtsp://192.168.0.9/live`."""
        if isinstance(self.address, int):
            return f"camera{self.address}"
        text = f"{urlsplit(self.address).hostname}{urlsplit(self.address).path}"
        return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.")[:100] or "stream"


def parse_live_input(text: str) -> LiveInput | None:
    """Return the camera or stream that a text names, or None; a file or folder of that name comes first.

    Raises:
        ValueError: It has the scheme of a stream, but is no address; the message says what is wrong.
    """
    if re.fullmatch("[0-9]{1,2}", text) and not os.path.lexists(text):
        return LiveInput(int(text))
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        return None
    if len(text) > MAX_ADDRESS or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"1 to {MAX_ADDRESS} characters of ASCII without spaces")
    try:
        parts = urlsplit(text)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        named = False
    if not named:
        raise ValueError("an address such as rtsp://camera.local:554/stream")
    return LiveInput(f"{scheme.lower()}{text[len(scheme) :]}")  # FFmpeg knows schemes in lower case only


def _place(address: str) -> str:
    """Return the host and the port of an address, without user and password."""
    return urlsplit(address).netloc.rpartition("@")[2]
