"""Download of a file over HTTPS, complete or not at all."""

import hashlib
import http.client
import re
import time
import urllib.request
from pathlib import Path

from ssr_mmseg.datasets.preparation.archive import MAX_BYTES
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path

TIMEOUT = 60  # seconds without a response
MIN_RATE = 2**14  # bytes per second on average after TIMEOUT, since a slow but steady server never times out
CHUNK = 2**20


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
    try:
        response = _open(url)
    except UserError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"could not download {url}: {error}; check the URL and the network") from error
    received, started = 0, time.monotonic()
    with response, open(path, "wb") as out:
        announced = response.headers.get("Content-Length")
        while True:
            try:
                chunk = response.read1(CHUNK)  # returns what has arrived, whereas `read` would wait for all of it
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise UserError(f"the download of {url} was interrupted ({error}); run again") from error
            if not chunk:
                break
            received += len(chunk)
            if received > max_bytes:
                raise UserError(f"{url} is larger than {max_bytes} bytes; if you trust it, raise options.max_bytes")
            if time.monotonic() - started > TIMEOUT + received / MIN_RATE:
                raise UserError(f"the download of {url} is slower than {MIN_RATE} bytes per second; try again later")
            out.write(chunk)
    if announced is not None and str(received) != announced.strip():
        raise UserError(f"the download of {url} ended after {received} of {announced} bytes; run again")


def _require_https(url: str) -> None:
    if not (url.lower().startswith("https://") and url.isascii()):
        raise UserError(f"{url} is not an https URL; give an https:// URL, or download it and give its path")


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str):
    return urllib.request.build_opener(_HttpsRedirects).open(url, timeout=TIMEOUT)
