import http.client
import io
import ssl
import urllib.error

import pytest

from ssr_mmseg.datasets.preparation import download as module
from ssr_mmseg.datasets.preparation.download import download
from ssr_mmseg.utils.errors import UserError

URL = "https://example.org/data/set.tar.gz?version=2"


class Response(io.BytesIO):
    def __init__(self, content: bytes, announced: int | None = None):
        super().__init__(content)
        self.headers = {} if announced is None else {"Content-Length": str(announced)}


@pytest.fixture
def serve(monkeypatch):
    """Answer every request with the test's response, and record the requests."""
    requests = []

    def install(answer):
        def answered(url, clock):
            requests.append(url)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(module, "_open", answered)
        return requests

    return install


def test_a_file_is_complete_and_downloaded_once(serve, tmp_path):
    requests = serve(Response(b"x" * 3000, 3000))
    path = download(URL, tmp_path)
    assert path.read_bytes() == b"x" * 3000
    assert path.parent == tmp_path
    assert download(URL, tmp_path) == path
    assert requests == [URL]


def test_different_urls_give_different_files(serve, tmp_path):
    serve(Response(b"1"))
    first = download(URL, tmp_path)
    serve(Response(b"2"))
    second = download("https://example.org/other/set.tar.gz?version=2", tmp_path)
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")


@pytest.mark.parametrize("url", ["http://example.org/a.zip", "ftp://example.org/a.zip", "file:///etc/passwd"])
def test_only_https(url, tmp_path):
    with pytest.raises(UserError, match="not an https URL"):
        download(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["http://example.org/a.zip", "file:///etc/passwd"])
def test_redirects_never_leave_https(target):
    request = module.urllib.request.Request(URL)
    redirects = module._HttpsRedirects()
    with pytest.raises(UserError, match="not an https URL"):
        redirects.redirect_request(request, None, 302, "Found", {}, target)
    answer = io.BytesIO(b"urllib would read all of it")
    followed = redirects.redirect_request(request, answer, 302, "Found", {}, "https://mirror.example.org/a")
    assert (followed.type, answer.closed) == ("https", True)


class BrokenResponse(Response):
    def read1(self, size=-1):
        raise http.client.IncompleteRead(b"")


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (urllib.error.URLError("no route"), "could not download"),
        (http.client.InvalidURL("bad port"), "could not download"),
        (TimeoutError("timed out"), "could not download"),
        (Response(b"x" * 10, 20), "ended after 10 of 20 bytes"),
        (BrokenResponse(b""), "was interrupted"),
        (Response(b"x" * 2000), "larger than 1000 bytes"),
    ],
)
def test_failures_leave_nothing(serve, answer, match, tmp_path):
    serve(answer)
    with pytest.raises(UserError, match=match):
        download(URL, tmp_path, max_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_full_disk(serve, tmp_path, monkeypatch):
    class FullDisk(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    serve(Response(b"x"))
    monkeypatch.setattr(module, "open", lambda *_: FullDisk(), raising=False)
    with pytest.raises(UserError, match="No space left on device"):
        download(URL, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_download_is_aborted(serve, tmp_path, monkeypatch):
    clock = iter(range(0, 10**6, 10))

    class Trickle(Response):
        def read1(self, size=-1):
            return super().read1(1)

    serve(Trickle(b"x" * 1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with pytest.raises(UserError, match="slower than 16384 bytes per second"):
        download(URL, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert next(clock) < 100


@pytest.mark.parametrize(
    "url", ["https://[", "https://[::1", "https://exa mple.org/\n", "https://\ud800.org/x", "https://"]
)
def test_invalid_urls_are_refused(url, tmp_path):
    with pytest.raises(UserError, match=r"could not download|not an https URL"):
        download(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_certificates_are_verified():
    connection = module._TimedConnection("example.org", clock=module._Clock())
    context = connection._context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
