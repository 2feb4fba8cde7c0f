"""The command `predict`: run an exported network on images, folders and videos, with ONNX Runtime only."""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ssr_mmseg.deploy.images import read_image, write_image
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.onnx_session import FATAL
from ssr_mmseg.deploy.sliding_window import segment
from ssr_mmseg.deploy.videos import SUFFIXES as VIDEOS
from ssr_mmseg.deploy.videos import Video, video_writer
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.files import atomic_path
from ssr_mmseg.utils.limits import MAX_THREADS

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def predict(
    model: Path, inputs: Sequence[Path], out: Path, provider: str = "cpu", opacity: float = 0.5, threads: int = 0
) -> list[Path]:
    """Segment images and videos; write each to the folder `out`, overlaid with the colors of its classes.

    Args:
        model: File written by `ssr-mmseg export`.
        inputs: Images, videos, and folders of them.
        out: Output folder; NAME.jpg becomes NAME.png there, and a video NAME.avi becomes NAME.mp4.
        provider: `cpu`, `cuda` or `tensorrt`.
        opacity: Opacity of the colors, 0 to 1.
        threads: CPU threads; 0 for one per core.

    Returns:
        The files written, in the order of the inputs.

    Raises:
        UserError: A file is not an exported network, image or video, or several inputs have the same output file.
    """
    if not 0 <= opacity <= 1:
        raise UserError(f"expected an opacity from 0 to 1, found {opacity}; correct --opacity")
    if not 0 <= threads <= MAX_THREADS:
        raise UserError(
            f"expected 1 to {MAX_THREADS} threads, or 0 for one per core, found {threads}; correct --threads"
        )
    # The libraries' messages about damaged files repeat the errors that are raised here.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    require("onnxruntime", "an exported network").set_default_logger_severity(FATAL)
    sources = list(_expand(inputs))
    targets = [out / f"{path.stem}{'.mp4' if _is_video(path) else '.png'}" for path in sources]
    _check_targets(sources, targets)
    network = ExportedNetwork(model, provider, threads)
    with Progress(sum(map(_count, sources))) as progress:
        for path, target in zip(sources, targets, strict=True):
            if _is_video(path):
                _predict_video(network, path, target, opacity, progress)
            else:
                image = read_image(path)
                write_image(target, network.overlay(image, segment(network, image), opacity))
                progress.step(path.name)
    return targets


class Progress:
    """Progress bar on a terminal; otherwise a plain line after every tenth of the frames."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.bar = tqdm(total=total, unit="frame", file=sys.stderr) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, name: str) -> None:
        """Count one finished frame of the file `name`, which may contain any characters."""
        self.done += 1
        name = one_line(name, 100)
        if self.bar is not None:
            self.bar.set_postfix_str(name)
            self.bar.update()
        elif self.done == self.total or self.done % max(1, self.total // 10) == 0:
            print(f"{self.done} of {self.total} frames, {name}", file=sys.stderr, flush=True)


def _expand(inputs: Sequence[Path]) -> Iterator[Path]:
    """Iterate over images and videos; a folder is replaced by those in it, sorted by name."""
    expected = f"type {', '.join((*IMAGES, *VIDEOS))}"
    for path in inputs:
        try:
            folder = path.is_dir()
            inside = sorted(file for file in path.iterdir() if _is_input(file)) if folder else []
            found = folder or path.is_file()
        except OSError as error:
            raise UserError(f"could not read input {path}: {error.strerror}; check the path") from error
        if folder and not inside:
            raise UserError(f"folder {path} has no image or video; expected files of {expected}")
        if not found:
            raise UserError(f"input {path} not found, or not a file; check the path")
        if not folder and path.suffix.lower() not in (*IMAGES, *VIDEOS):
            raise UserError(f"input {path} is neither an image nor a video; expected {expected}")
        yield from inside or [path]


def _is_input(path: Path) -> bool:
    """Return whether a folder's entry is an image or a video; a pipe or device of such a name is not."""
    return path.suffix.lower() in (*IMAGES, *VIDEOS) and path.is_file()


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def _check_targets(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    """Raise `UserError` if two inputs have the same output file, or one would be overwritten."""
    origin: dict[Path, Path] = {}
    inputs = {path.resolve() for path in sources}
    for source, target in zip(sources, targets, strict=True):
        if target in origin:
            raise UserError(f"{origin[target]} and {source} would both be written to {target}; give them other names")
        if target.resolve() in inputs:
            raise UserError(f"{target} is an input and would be overwritten; choose another folder for --out")
        origin[target] = source


def _count(path: Path) -> int:
    """Return the number of frames given in a video's header, or 1 for an image."""
    if not _is_video(path):
        return 1
    with Video(path) as video:
        return video.count


def _predict_video(network: ExportedNetwork, path: Path, target: Path, opacity: float, progress: Progress) -> None:
    with Video(path) as video:
        frames = video.frames()
        first = next(frames)
        with (
            atomic_path(target) as temporary,
            video_writer(temporary, target, video.fps, first.shape[:2]) as writer,
        ):
            for frame in chain([first], frames):
                labels = segment(network, frame)
                writer.write(np.ascontiguousarray(network.overlay(frame, labels, opacity)))
                progress.step(path.name)
