"""Cameras and streams: the newest frame at any time, until an end that the user sets or signals."""

import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.image_limits import check_pixels
from ssr_mmseg.utils.live_input import LiveInput

PATIENCE = 10.0  # seconds without a frame after which a camera or stream counts as stalled
SLICE = 0.1  # seconds between two looks at whether the user has ended it
# FFmpeg's options by scheme. RTSP by TCP only, so that nothing but the server answers; HTTP for motion JPEG only, since
# playlists name other addresses, and without redirects.
STREAMS = {
    "rtsp": "rtsp_transport;tcp|protocol_whitelist;tcp|format_whitelist;rtsp",
    "rtsps": "rtsp_transport;tcp|protocol_whitelist;tcp,tls|format_whitelist;rtsp",
    "http": "max_redirects;0|protocol_whitelist;http,tcp|format_whitelist;mpjpeg",
    "https": "max_redirects;0|protocol_whitelist;https,http,tls,tcp|format_whitelist;mpjpeg",
}


def open_capture(address: int | str) -> Any:
    """Return an OpenCV capture of a camera's number or a stream's address, which may have failed to open."""
    if isinstance(address, int):
        return cv2.VideoCapture(address)
    scheme = address.partition(":")[0]
    options = STREAMS[scheme]
    if scheme in ("rtsps", "https"):
        options += f"|tls_verify;1|ca_file;{ssl.get_default_verify_paths().cafile or ''}"
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # its messages repeat the errors below, with the password
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = options
    milliseconds = int(1500 * PATIENCE)  # later than our own patience, which tells a stall from an end
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)


class LiveVideo:
    """A camera or stream that is read by a thread, so that a driver or server that hangs does not hang its user.

    Args:
        source: The camera or stream.
        capture: Opens it: a function from its address to an object like `cv2.VideoCapture`.

    Attributes:
        problem: The reason for which the frames ended, if it was neither the user nor the end of a stream.
    """

    def __init__(self, source: LiveInput, capture: Callable[[int | str], Any] | None = None) -> None:
        self.source = source
        self.problem: str | None = None
        self._camera = isinstance(source.address, int)
        self._open = capture or open_capture
        self._changed = threading.Condition()
        self._frame: np.ndarray | None = None
        self._opened = self._ended = self._closed = False
        self._thread = threading.Thread(target=self._read, name=source.title, daemon=True)

    def __enter__(self) -> "LiveVideo":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
        self._thread.join(2.0)  # it releases the device; a hanging one is left to the end of the process

    def frames(self, stopped: Callable[[], bool], seconds: float | None = None) -> Iterator[np.ndarray]:
        """Yield the newest frame (H, W, 3), BGR, uint8, that was not yielded yet, each at the size of the first.

        Frames that come while the caller works are left out, except for the last of them. A failure after the first
        frame ends the frames, and is in `problem`.

        Args:
            stopped: Whether the user has ended it, which ends the frames.
            seconds: Time after the first frame at which they end; None for no such time.

        Raises:
            UserError: It cannot be opened, has too many pixels, or gives no frame for `PATIENCE` seconds.
        """
        first = self._next(stopped)
        if first is None:
            return
        begin = time.monotonic()
        height, width = first.shape[:2]
        frame: np.ndarray | None = first
        while frame is not None:
            if frame.ndim == 2:
                frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
            yield frame if frame.shape[:2] == (height, width) else cv2.resize(frame, (width, height))
            if seconds is not None and time.monotonic() - begin >= seconds:
                return
            try:
                frame = self._next(stopped)
            except UserError as error:
                self.problem = str(error)
                return

    def _next(self, stopped: Callable[[], bool]) -> np.ndarray | None:
        """Wait for the next frame; None if the user or the source has ended it."""
        latest = time.monotonic() + PATIENCE
        with self._changed:
            while self._frame is None:
                if stopped():
                    return None
                if self._ended and not self._opened:
                    remedy = "that it is there and not in use" if self._camera else "its address, user and password"
                    raise UserError(f"{self.source.title} cannot be opened; check {remedy}")
                if self._ended and self._camera:  # which has no end
                    raise UserError(f"{self.source.title} gives no more frames; check its connection")
                if self._ended:
                    return None
                if time.monotonic() > latest:
                    raise UserError(f"{self.source.title} gave no frame for {PATIENCE:g} seconds; check its connection")
                self._changed.wait(SLICE)
            frame, self._frame = self._frame, None
        check_pixels(self.source.title, frame.shape[1], frame.shape[0])
        return frame

    def _read(self) -> None:
        """Read frames until it is closed or has no more."""
        capture = None
        try:
            capture = self._open(self.source.address)
            ready = self._opened = bool(capture.isOpened())
            while ready and not self._closed:
                ready, frame = capture.read()
                with self._changed:
                    if ready:
                        self._frame = frame
                    self._changed.notify()
        except cv2.error:  # of a driver; the same as an end
            pass
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()
            if capture is not None:
                capture.release()


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or a request to end (SIGTERM) came within the block.

    The second one has the effect that it usually has, and one that is ignored, as in the background of a script, stays
    so. Outside of the main thread there are no signals.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    usual = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGINT, signal.SIGTERM)}
    usual = {number: handler for number, handler in usual.items() if handler != signal.SIG_IGN}

    def note(number: int, _: object) -> None:
        came.set()
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, note)
    try:
        yield came.is_set
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
