"""The command `predict`: run an exported network on images, videos, cameras and streams, with ONNX Runtime only."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ssr_mmseg.deploy.frame_times import FrameTimes, Progress
from ssr_mmseg.deploy.images import encode_image, read_image, write_image
from ssr_mmseg.deploy.inputs import expand_inputs, is_video
from ssr_mmseg.deploy.live import LiveVideo, until_interrupted
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.onnx_session import FATAL
from ssr_mmseg.deploy.output_names import Targets, output_targets
from ssr_mmseg.deploy.overlay import Overlay
from ssr_mmseg.deploy.sliding_window import segment
from ssr_mmseg.deploy.videos import MeasuredRate, Video, video_writer
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.files import atomic_path
from ssr_mmseg.utils.limits import MAX_THREADS
from ssr_mmseg.utils.live_input import LiveInput

MASK_NAME = "{:06}.png"  # of a frame's class ids, in the folder of a video's masks


@dataclass(frozen=True)
class PredictOptions:
    """What is drawn and written, and how much of videos, cameras and streams.

    Attributes:
        opacity: Opacity of the colors, 0 to 1.
        masks: Write the class ids, too.
        legend, skip, palette: See `Overlay`.
        frames: Frames of each video, camera or stream after which it ends; all if None.
        seconds: Likewise by time: of a video by its rate, of a camera or stream by the clock.
    """

    opacity: float = 0.5
    masks: bool = False
    legend: bool = False
    skip: tuple[str, ...] = ()
    palette: str = "file"
    frames: int | None = None
    seconds: float | None = None


def predict(
    model: Path,
    inputs: Sequence[Path | LiveInput],
    out: Path,
    provider: str = "cpu",
    threads: int = 0,
    options: PredictOptions | None = None,
) -> list[Path]:
    """Segment images and videos; write each to the folder `out`, overlaid with the colors of its classes.

    Args:
        model: File written by `ssr-mmseg export`.
        inputs: Images, videos, folders of them, cameras and streams.
        out: Output folder. NAME.jpg becomes NAME.png there, and with masks also NAME_mask.png; a video NAME.avi becomes
            NAME.mp4, and the folder NAME_mask. Inputs of the same name get longer ones (see `output_names`).
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: CPU threads; 0 for one per core.
        options: What is drawn and written; the defaults if None.

    Returns:
        The files and folders written, in the order of the inputs.

    Raises:
        UserError: A file is not an exported network, image or video, an input would be overwritten, or a camera or
            stream cannot be opened or stalls; the frames before that are written.
    """
    options = options or PredictOptions()
    if not 0 <= threads <= MAX_THREADS:
        raise UserError(
            f"expected 1 to {MAX_THREADS} threads, or 0 for one per core, found {threads}; correct --threads"
        )
    # The libraries' messages about damaged files repeat the errors that are raised here.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    require("onnxruntime", "an exported network").set_default_logger_severity(FATAL)
    sources = expand_inputs(inputs)
    _check_order(sources, options)
    targets = output_targets(sources, list(map(is_video, sources)), out, options.masks)
    network = ExportedNetwork(model, provider, threads)
    overlay = Overlay(
        network.metadata, options.opacity, skip=options.skip, palette=options.palette, legend=options.legend
    )
    job = _Prediction(network, overlay, options, _count(sources, options))
    written = []
    with job.progress:
        for source, target in zip(sources, targets, strict=True):
            goes_on = job.run(source, target)
            written += target.paths
            if not goes_on:
                break
    print(f"{one_line(out)}: {job.times}")
    return written


class Writer(Protocol):
    """Whatever takes the frames of a video, (H, W, 3), BGR, uint8."""

    def write(self, frame: np.ndarray) -> object: ...


class _Prediction:
    """A network with all that its frames have in common."""

    def __init__(self, network: ExportedNetwork, overlay: Overlay, options: PredictOptions, total: int | None) -> None:
        self.network, self.overlay, self.options = network, overlay, options
        self.progress, self.times = Progress(total), FrameTimes(network)

    def run(self, source: Path | LiveInput, targets: Targets) -> bool:
        """Predict one input; return whether the user wants the others, too."""
        if isinstance(source, LiveInput):
            return self._live(source, targets)
        if is_video(source):
            self._video(source, targets)
        else:
            self._image(source, targets)
        return True

    def _image(self, path: Path, targets: Targets) -> None:
        self.times.begin()
        image = read_image(path)
        labels = segment(self.network, image)
        if targets.masks is not None:
            write_image(targets.masks, labels)
        write_image(targets.picture, self.overlay.draw(image, labels))
        self.times.end()
        self.progress.step(path.name)

    def _video(self, path: Path, targets: Targets) -> None:
        with Video(path) as video:
            limit = _limit(video, self.options)

            def open_writer(temporary: Path, stack: ExitStack, size: tuple[int, int]) -> Writer:
                return stack.enter_context(video_writer(temporary, targets.picture, video.fps, size))

            self._write(path.name, video.frames(), targets, open_writer, limit)

    def _live(self, source: LiveInput, targets: Targets) -> bool:
        with until_interrupted() as interrupted, LiveVideo(source) as live:
            frames = live.frames(interrupted, self.options.seconds)

            def open_writer(temporary: Path, stack: ExitStack, size: tuple[int, int]) -> Writer:
                return stack.enter_context(MeasuredRate(temporary, targets.picture))

            count = self._write(source.title, frames, targets, open_writer, self.options.frames)
            if count == 0:
                reason = "was ended before its first frame" if interrupted() else "has no frame"
                raise UserError(f"{source.title} {reason}; nothing is written")
            if live.problem is not None:
                raise UserError(f"{live.problem}; the {count} frames before are in {targets.picture}")
            return not interrupted()

    def _write(
        self,
        name: str,
        frames: Iterator[np.ndarray],
        targets: Targets,
        open_writer: Callable[[Path, ExitStack, tuple[int, int]], Writer],
        limit: int | None,
    ) -> int:
        """Write the frames (H, W, 3), BGR, of a video, at most `limit`, and their masks; return their number.

        Nothing is written if there is none.
        """
        self.times.begin()
        frame = next(frames, None)
        if frame is None:
            return 0
        count = 0
        with ExitStack() as stack:
            masks = None if targets.masks is None else stack.enter_context(_mask_folder(targets.masks))
            temporary = stack.enter_context(atomic_path(targets.picture))
            writer: Writer | None = None
            while frame is not None:
                labels = segment(self.network, frame)
                picture = self.overlay.draw(frame, labels)
                if writer is None:
                    writer = open_writer(temporary, stack, picture.shape[:2])
                writer.write(picture)
                if masks is not None:
                    path = masks / MASK_NAME.format(count)
                    path.write_bytes(encode_image(path, labels))
                count += 1
                self.times.end()
                self.progress.step(name)
                frame = None if count == limit else next(frames, None)
        return count


def _mask_folder(path: Path) -> AbstractContextManager[Path]:
    """Return a context with a new folder that replaces `path` at its end, if that has nothing but masks of a video.

    Raises:
        UserError: It has something else, which would be lost.
    """
    if path.exists():
        other = [path] if not path.is_dir() else [file for file in path.iterdir() if not _is_mask(file.name)]
        if other:
            raise UserError(
                f"{other[0]} is no mask of a video, but its folder would be replaced; move it, or choose another "
                "folder for --out"
            )
    return staged_folder(path)


def _is_mask(name: str) -> bool:
    return re.fullmatch(r"[0-9]{6,}\.png", name) is not None


def _check_order(sources: Sequence[Path | LiveInput], options: PredictOptions) -> None:
    """Raise `UserError` if inputs come after one that has no end."""
    if options.frames is None and options.seconds is None:
        for source in sources[:-1]:
            if isinstance(source, LiveInput):
                raise UserError(f"{source.title} has no end; set --frames or --seconds, or make it the last input")


def _count(sources: Sequence[Path | LiveInput], options: PredictOptions) -> int | None:
    """Return the number of frames of all inputs by their headers and options; None if a live input leaves it open."""
    total = 0
    for source in sources:
        if isinstance(source, LiveInput):
            if options.frames is None or options.seconds is not None:
                return None
            total += options.frames
        elif is_video(source):
            with Video(source) as video:
                limit = _limit(video, options)
                total += video.count if limit is None else min(video.count, limit)
        else:
            total += 1
    return total


def _limit(video: Video, options: PredictOptions) -> int | None:
    """Return the number of frames after which a video ends; None for all."""
    limits = [] if options.frames is None else [options.frames]
    if options.seconds is not None:
        limits.append(max(1, round(options.seconds * video.fps)))
    return min(limits, default=None)
