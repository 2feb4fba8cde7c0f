"""Reading and writing of videos with OpenCV's FFmpeg, which opens nothing but the file itself."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.image_limits import check_pixels

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # that MP4 and MOV files begin with
DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm"  # FFmpeg's names
FPS = 25.0  # of videos whose header gives no plausible rate
SLOWEST, FASTEST = 0.01, 1000.0  # plausible frames per second
RATE_FRAMES = 10  # of a camera, from which its rate is measured, and which are held until then


class Video:
    """A video file that is open for reading.

    FFmpeg otherwise detects playlists by their content, whatever the file's name, and opens the files and addresses
    that they name.

    Args:
        path: The file.

    Raises:
        UserError: It is no video of one of the known containers, is damaged, or its frames have too many pixels.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not _is_container(path):
            raise UserError(f"{path} is not an MP4, MOV, AVI, MKV or WebM video; check or convert it")
        # An absolute path, because FFmpeg takes `http:a.mp4` for an address. One thread, each of which holds frames.
        name = str(path.absolute())
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"the name of the video {path} is not UTF-8, which OpenCV expects; rename it") from error
        os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # its messages about damaged files repeat the error below
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"protocol_whitelist;file|format_whitelist;{DEMUXERS}"
        self.source = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        try:
            if not self.source.isOpened():
                raise UserError(f"{path} cannot be read as a video; it may be damaged, so check or remove it")
            width, height = map(self._number, (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            check_pixels(path, int(width), int(height))
        except UserError:
            self.close()
            raise

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.source.release()

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames (H, W, 3), BGR, uint8. OpenCV resizes all to the size in the header.

        Raises:
            UserError: There is no readable frame.
        """
        ready, frame = self.source.read()
        if not ready:
            raise UserError(
                f"{self.path} is a video without a readable frame; it may be damaged, so check or remove it"
            )
        while ready:
            yield frame
            ready, frame = self.source.read()

    @property
    def fps(self) -> float:
        """Frames per second that the header gives, or `FPS` if it gives none that is plausible."""
        rate = self._number(cv2.CAP_PROP_FPS)
        return rate if SLOWEST <= rate <= FASTEST else FPS

    @property
    def count(self) -> int:
        """Number of frames that the header gives, at least 1 and at most one per byte of the file."""
        return int(min(max(self._number(cv2.CAP_PROP_FRAME_COUNT), 1), self.path.stat().st_size))

    def _number(self, name: int) -> float:
        """Return a number from the header; 0 if it is not finite."""
        value = float(self.source.get(name))
        return value if np.isfinite(value) else 0.0


@contextmanager
def video_writer(path: Path, target: Path, fps: float, size: tuple[int, int]) -> Iterator[cv2.VideoWriter]:
    """Yield a writer to the MP4 file `path` for frames of the size (height, width); messages name `target`.

    Raises:
        UserError: OpenCV cannot write such a video.
    """
    height, width = size
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    try:
        if not writer.isOpened():
            raise UserError(
                f"could not write {target}: OpenCV failed for frames of {width}x{height}; free space, choose another "
                "folder or make the video smaller"
            )
        yield writer
    finally:
        writer.release()


class MeasuredRate:
    """Writer of an MP4 file whose rate is that at which its first frames come, so that it plays as fast as the scene.

    Args:
        path, target: See `video_writer`.
        clock: Time in seconds.
    """

    def __init__(self, path: Path, target: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        self.path, self.target, self._clock = path, target, clock
        self._first: list[np.ndarray] = []
        self._times: list[float] = []
        self._file = ExitStack()
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "MeasuredRate":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None and self._first:
                self._open()

    def write(self, frame: np.ndarray) -> None:
        """Write a frame (H, W, 3), BGR, uint8, of the size of the others; the first ones once the rate is known.

        Raises:
            UserError: See `video_writer`.
        """
        if self._writer is not None:
            self._writer.write(frame)
            return
        self._first.append(frame)
        self._times.append(self._clock())
        if len(self._times) >= RATE_FRAMES or (len(self._times) > 2 and self._times[-1] - self._times[1] >= 1):
            self._open()

    def _open(self) -> None:
        height, width = self._first[0].shape[:2]
        rate = _rate(self._times)
        self._writer = self._file.enter_context(video_writer(self.path, self.target, rate, (height, width)))
        for frame in self._first:
            self._writer.write(frame)
        self._first = []


def _rate(times: Sequence[float]) -> float:
    """Return the frames per second of frames at the given times, in seconds; `FPS` for too few of them.

    The first one waited for the network's first run, which takes longer.
    """
    settled = times[1:] if len(times) > 2 else times
    if len(settled) < 2 or settled[-1] <= settled[0]:
        return FPS
    rate = min(max((len(settled) - 1) / (settled[-1] - settled[0]), SLOWEST), FASTEST)
    return round(rate, 3 if rate < 60 else 2 if rate < 600 else 0)  # MPEG-4 has fractions of numbers below 2¹⁶


def _is_container(path: Path) -> bool:
    """Return whether a file begins like one of the known containers."""
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error
    return start[4:8] in BOXES or start[:4] == b"\x1aE\xdf\xa3" or (start[:4] == b"RIFF" and start[8:] == b"AVI ")
