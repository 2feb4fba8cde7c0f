"""Servers of one stream on this machine: motion JPEG by HTTP, and by RTSP (RFC 2326) as RTP (RFC 2435) over TCP."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

RATE = 50  # frames per second
CLOCK = 90_000  # of RTP, ticks per second


@contextmanager
def stream_server(serve: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[int, list[bytes]]]:
    """Serve each connection in a thread; yield the port, and the beginnings of what clients sent.

    Args:
        serve: Answers a connection, given the first request.
    """
    requests: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                request = connection.recv(4096)
                requests.append(request)
                serve(connection, request)
            except OSError:  # the client has left, or the test is over
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1], requests
        listening.shutdown(socket.SHUT_RDWR)


def jpeg(number: int, size: tuple[int, int]) -> bytes:
    """A baseline JPEG file of one gray, by number, and of the size (height, width)."""
    image = np.full((*size, 3), 40 + number % 20 * 10, np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def motion_jpeg(size: tuple[int, int], count: int | None = None, stall: bool = False) -> Callable:
    """Return the answer of a camera by HTTP: `count` frames, or without an end; then a stall or the end."""

    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n"
        )
        number = 0
        while count is None or number < count:
            data = jpeg(number, size)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            connection.sendall(head + data + b"\r\n")
            number += 1
            time.sleep(1 / RATE)
        if stall:
            connection.recv(1)  # until the client leaves

    return serve


def rtsp(size: tuple[int, int], count: int | None = None, stall: bool = False) -> Callable:
    """Return the answers of a camera by RTSP; the arguments are those of `motion_jpeg`."""

    def serve(connection: socket.socket, request: bytes) -> None:
        playing = False
        while not playing:
            method, address = request.split(b" ", 2)[:2]
            (sequence,) = (line.split(b":")[1] for line in request.splitlines() if line.lower().startswith(b"cseq"))
            body, extra = b"", [b"CSeq:" + sequence]
            if method == b"OPTIONS":
                extra.append(b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
            elif method == b"DESCRIBE":
                body = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=s\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:video\r\n"
                extra += [b"Content-Base: " + address + b"/", b"Content-Type: application/sdp"]
            elif method == b"SETUP":
                extra += [b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1", b"Session: 1"]
            elif method == b"PLAY":
                extra.append(b"Session: 1")
                playing = True
            extra.append(b"Content-Length: %d" % len(body))
            connection.sendall(b"RTSP/1.0 200 OK\r\n" + b"\r\n".join(extra) + b"\r\n\r\n" + body)
            if not playing:
                request = connection.recv(4096)
        packets = number = 0
        while count is None or number < count:
            for packet in rtp_packets(jpeg(number, size), size, packets, number * CLOCK // RATE):
                connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                packets += 1
            number += 1
            time.sleep(1 / RATE)
        if stall:
            while connection.recv(4096):
                pass

    return serve


def rtp_packets(data: bytes, size: tuple[int, int], first: int, when: int) -> Iterator[bytes]:
    """Yield the packets of a JPEG file with 4:2:0 chroma and the usual Huffman tables, which RFC 2435 leaves out."""
    tables, position = b"", 2
    while data[position + 1] != 0xDA:
        length = struct.unpack(">H", data[position + 2 : position + 4])[0]
        if data[position + 1] == 0xDB:
            segment = data[position + 4 : position + 2 + length]
            tables += b"".join(segment[start + 1 : start + 65] for start in range(0, len(segment), 65))
        position += 2 + length
    scan = data[position + 2 + struct.unpack(">H", data[position + 2 : position + 4])[0] : -2]
    offset = 0
    while offset < len(scan):
        part = scan[offset : offset + 1200]
        last = offset + len(part) >= len(scan)
        head = struct.pack(">BBHII", 0x80, 26 | 0x80 * last, first & 0xFFFF, when & 0xFFFFFFFF, 1)
        head += struct.pack(">II", offset, 1 << 24 | 255 << 16 | size[1] // 8 << 8 | size[0] // 8)
        yield head + (struct.pack(">HH", 0, len(tables)) + tables if offset == 0 else b"") + part
        offset += len(part)
        first += 1
