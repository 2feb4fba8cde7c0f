"""A server that draws out a transfer is given up in time, wherever it does so."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ssr_mmseg.datasets.preparation import download as module
from ssr_mmseg.datasets.preparation.download import download
from ssr_mmseg.utils.errors import UserError

PAUSE = 0.05  # seconds between two bytes, far below the timeout of a single wait
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """Return a key and a certificate of localhost."""
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", file], check=True, capture_output=True)
    return key, file


@pytest.fixture
def serve(certificate, monkeypatch) -> Iterator[Callable[..., str]]:
    """Return a function that serves every connection by a function of its socket, and returns the URL."""
    key, file = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def handle(connection: socket.socket, answer: Callable, tls: bool) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            if tls:
                connection = context.wrap_socket(connection, server_side=True)
                connection.recv(2**16)
            answer(connection, over)

    def start(answer: Callable, tls: bool = True) -> str:
        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=handle, args=(listener.accept()[0], answer, tls), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"https://localhost:{listener.getsockname()[1]}/data.tar"

    yield start
    over.set()
    listener.close()


def drip(data: bytes, first: bytes = b"") -> Callable:
    """Return an answer that sends `first` at once, and then `data` again and again, one byte at a time."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(first)
        while not over.is_set():
            for byte in data:
                connection.sendall(bytes([byte]))
                time.sleep(PAUSE)

    return answer


def silence(connection: socket.socket, over: threading.Event) -> None:
    over.wait(5)


def redirect_slowly(connection: socket.socket, over: threading.Event) -> None:
    time.sleep(0.3)
    path = time.monotonic_ns()  # urllib notices a loop
    head = f"HTTP/1.1 302 Found\r\nLocation: /{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode())


def fetched(url: str, folder: Path) -> tuple[str, float]:
    """Return the error of a download and how long it took, in seconds."""
    started = time.monotonic()
    with pytest.raises(UserError) as raised:
        download(url, folder)
    assert list(folder.iterdir()) == []
    return str(raised.value), time.monotonic() - started


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drip(b"HTTP/1.1 200 " + b"x" * 100), id="status line"),
        pytest.param(drip(b"X-Pad: 1\r\n", b"HTTP/1.1 200 OK\r\n"), id="headers"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n"), id="interim answers"),
        pytest.param(silence, id="nothing"),
        pytest.param(redirect_slowly, id="redirects"),
    ],
)
def test_a_server_that_does_not_come_to_the_content_is_given_up(serve, answer, tmp_path):
    message, seconds = fetched(serve(answer), tmp_path)
    assert "did not answer within 0.5 seconds" in message
    assert seconds < 2


def test_a_server_that_draws_out_the_handshake_is_given_up(serve, tmp_path):
    header = b"\x16\x03\x03\x3f\xff"  # of a record of TLS
    message, seconds = fetched(serve(drip(b"\x02", header), tls=False), tmp_path)
    assert "did not answer within 0.5 seconds" in message
    assert seconds < 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drip(b"0", CHUNKED), id="size of a chunk"),
        pytest.param(drip(b"1;x=y\r\n-\r\n", CHUNKED), id="small chunks"),
        pytest.param(drip(b"X-Pad: 1\r\n", CHUNKED + b"0\r\n"), id="trailers"),
        pytest.param(drip(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), id="content"),
    ],
)
def test_a_server_that_draws_out_the_content_is_given_up(serve, answer, tmp_path):
    message, seconds = fetched(serve(answer), tmp_path)
    assert "is slower than 16384 bytes per second" in message
    assert seconds < 2


def test_what_has_arrived_gives_time_for_more(serve, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MIN_RATE", 10)

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
        for _ in range(5):
            connection.sendall(b"x" * 10)  # in time for a second each
            time.sleep(0.2)

    assert download(serve(answer), tmp_path).read_bytes() == b"x" * 50


def test_the_answer_of_a_redirect_is_not_read(serve, tmp_path):
    """It may be endless, and urllib would keep all of it in memory."""
    sent = [0]

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n")
        while not over.is_set() and sent[0] < 2**26:
            connection.sendall(bytes(2**16))
            sent[0] += 2**16

    message, seconds = fetched(serve(answer), tmp_path)
    assert "infinite loop" in message or "did not answer" in message
    assert seconds < 2
    assert sent[0] < 2**26


def test_every_address_of_a_host_is_tried_within_the_same_time(monkeypatch):
    tried = []
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("192.0.2.1", 443))] * 50)

    def connect(place, timeout):
        tried.append(timeout)
        time.sleep(0.1)
        raise OSError("no route")

    monkeypatch.setattr(module.socket, "create_connection", connect)
    connection = module._TimedConnection("example.org", clock=module._Clock())
    with pytest.raises(TimeoutError):
        connection.connect()
    assert 2 <= len(tried) <= 4
    assert tried == sorted(tried, reverse=True)
