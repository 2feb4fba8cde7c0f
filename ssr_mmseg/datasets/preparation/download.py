"""Download of a file over HTTPS, complete or not at all, within a time that the server cannot draw out."""

import functools
import hashlib
import http.client
import io
import re
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

from ssr_mmseg.datasets.preparation.archive import MAX_BYTES
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path

TIMEOUT = 60.0  # seconds without a response, and for everything before the content
MIN_RATE = 2**14  # bytes per second on average after TIMEOUT, since a slow but steady server never times out
CHUNK = 2**20
FAULTS = (OSError, http.client.HTTPException, ValueError)  # of a connection


def download(url: str, folder: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Download `url` to `folder`, unless an earlier call has done so, and return the file.

    Args:
        url: An https:// URL; redirects to other schemes are refused.
        folder: Folder of the file, whose name is derived from the URL.
        max_bytes: Size of the largest file to accept.

    Raises:
        UserError: The URL is not https, the transfer fails or ends early, the file is too large, or it cannot be
            written.
    """
    _require_https(url)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", url.rstrip("/").rpartition("/")[2])[-100:]
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"
    if not path.is_file():
        with atomic_path(path) as temporary:
            _fetch(url, temporary, max_bytes)
    return path


def _fetch(url: str, path: Path, max_bytes: int) -> None:
    clock = _Clock()
    try:
        response = _open(url, clock)
    except UserError:
        raise
    except FAULTS as error:
        if clock.remaining <= 0:
            raise UserError(
                f"{url} did not answer within {TIMEOUT:g} seconds; check the URL, or try again later"
            ) from error
        raise UserError(f"could not download {url}: {error}; check the URL and the network") from error
    with response, open(path, "wb") as out:
        announced = response.headers.get("Content-Length")
        while True:
            try:
                chunk = response.read1(CHUNK)  # returns what has arrived, whereas `read` would wait for all of it
            except FAULTS as error:
                if clock.remaining <= 0:
                    raise _too_slow(url) from error
                raise UserError(f"the download of {url} was interrupted ({error}); run again") from error
            if not chunk:
                break
            clock.received += len(chunk)
            if clock.received > max_bytes:
                raise UserError(f"{url} is larger than {max_bytes} bytes; if you trust it, raise options.max_bytes")
            if clock.remaining <= 0:
                raise _too_slow(url)
            out.write(chunk)
    if announced is not None and str(clock.received) != announced.strip():
        raise UserError(f"the download of {url} ended after {clock.received} of {announced} bytes; run again")


def _too_slow(url: str) -> UserError:
    return UserError(f"the download of {url} is slower than {MIN_RATE} bytes per second; try again later")


def _require_https(url: str) -> None:
    if not (url.lower().startswith("https://") and url.isascii()):
        raise UserError(f"{url} is not an https URL; give an https:// URL, or download it and give its path")


class _Clock:
    """The time that a transfer may take: `TIMEOUT`, and more for what has arrived, as it would at `MIN_RATE`.

    Attributes:
        received: Bytes of content that have arrived.
    """

    def __init__(self) -> None:
        self.started, self.received = time.monotonic(), 0

    @property
    def remaining(self) -> float:
        """Seconds that are left."""
        return self.started + TIMEOUT + self.received / MIN_RATE - time.monotonic()

    def wait(self) -> float:
        """Return how long the next answer of the server may take, in seconds.

        Raises:
            TimeoutError: No time is left.
        """
        if self.remaining <= 0:
            raise TimeoutError("no time is left")
        return min(self.remaining, TIMEOUT)


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _require_https(newurl)
        fp.close()  # urllib would read all of the answer, however long
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _TimedHandler(urllib.request.HTTPSHandler):
    """Open connections whose every wait, from connecting to the last byte, is within the time of one clock."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self.clock = clock

    def https_open(self, req):
        return self.do_open(functools.partial(_TimedConnection, clock=self.clock), req)


class _TimedConnection(http.client.HTTPSConnection):
    """A connection whose sockets wait only as long as a clock allows."""

    def __init__(self, *arguments: Any, clock: _Clock, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.clock = clock
        self._create_connection = self._connected  # attribute of http.client; TLS then waits as long as that socket
        # It also reads the answer of a proxy.
        self.response_class = functools.partial(_TimedResponse, clock=clock)  # type: ignore[assignment]

    def _connected(self, address: tuple[str, int], *_: Any) -> socket.socket:
        problem: OSError = OSError(f"{address[0]} has no address")
        for *_, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):  # type: ignore[assignment]
            try:
                connected = socket.create_connection((str(place[0]), int(place[1])), self.clock.wait())
                connected.settimeout(self.clock.wait())
                return connected
            except OSError as error:
                problem = error
        raise problem


class _TimedResponse(http.client.HTTPResponse):
    """An answer that is read through `_TimedReader`."""

    def __init__(self, sock: socket.socket, *arguments: Any, clock: _Clock, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach(), clock))


class _TimedReader(io.RawIOBase):
    """The bytes that a socket receives; each wait for some is as long as a clock allows."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, clock: _Clock) -> None:
        self.sock, self.raw, self.clock = sock, raw, clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.sock.settimeout(self.clock.wait())
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


def _open(url: str, clock: _Clock) -> Any:
    return urllib.request.build_opener(_HttpsRedirects, _TimedHandler(clock)).open(url, timeout=TIMEOUT)
