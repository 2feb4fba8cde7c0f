"""The command `predict`: run an exported network on images, folders and videos, with ONNX Runtime only."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ssr_mmseg.deploy.images import read_image
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.sliding_window import segment
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
FPS = 25.0  # of videos that do not specify their own


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
    if threads < 0:
        raise UserError(f"expected at least 1 thread, or 0 for one per core, found {threads}; correct --threads")
    sources = list(_expand(inputs))
    targets = [out / f"{path.stem}{'.mp4' if path.suffix.lower() in VIDEOS else '.png'}" for path in sources]
    for target in targets:
        if targets.count(target) > 1:
            same = ", ".join(str(path) for path, other in zip(sources, targets, strict=True) if other == target)
            raise UserError(f"{same} would all be written to {target}; give them different names")
        if target.resolve() in {path.resolve() for path in sources}:
            raise UserError(f"{target} is an input and would be overwritten; choose another folder for --out")
    network = ExportedNetwork(model, provider, threads)
    frames = [_count(path) if path.suffix.lower() in VIDEOS else 1 for path in sources]
    with Progress(sum(frames)) as progress:
        for path, target in zip(sources, targets, strict=True):
            if path.suffix.lower() in VIDEOS:
                _predict_video(network, path, target, opacity, progress)
            else:
                _predict_image(network, path, target, opacity)
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
        """Count one finished frame of the file `name`."""
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(name)
            self.bar.update()
        elif self.done == self.total or self.done % max(1, self.total // 10) == 0:
            print(f"{self.done} of {self.total} frames, {name}", file=sys.stderr, flush=True)


def _expand(inputs: Sequence[Path]) -> Iterator[Path]:
    """Iterate over images and videos; a folder is replaced by those in it, sorted by name."""
    for path in inputs:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in (*IMAGES, *VIDEOS))
            if not inside:
                raise UserError(
                    f"folder {path} has no image or video; expected files of type {', '.join((*IMAGES, *VIDEOS))}"
                )
            yield from inside
        elif not path.is_file():
            raise UserError(f"input {path} not found; check the path")
        elif path.suffix.lower() not in (*IMAGES, *VIDEOS):
            raise UserError(
                f"input {path} is neither an image nor a video; expected type {', '.join((*IMAGES, *VIDEOS))}"
            )
        else:
            yield path


def _predict_image(network: ExportedNetwork, path: Path, target: Path, opacity: float) -> None:
    image = read_image(path)
    with atomic_path(target) as temporary:
        _check_written(cv2.imwrite(str(temporary), network.overlay(image, segment(network, image), opacity)), target)


def _predict_video(network: ExportedNetwork, path: Path, target: Path, opacity: float, progress: Progress) -> None:
    source = _open_video(path)
    try:
        ready, frame = source.read()
        if not ready:
            raise UserError(f"{path} is a video without a readable frame; it may be damaged, so check or remove it")
        height, width = frame.shape[:2]
        with atomic_path(target) as temporary:
            fps = source.get(cv2.CAP_PROP_FPS) or FPS
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
            _check_written(writer.isOpened(), target)
            try:
                while ready:
                    labels = segment(network, frame)
                    writer.write(np.ascontiguousarray(network.overlay(frame, labels, opacity)))
                    progress.step(path.name)
                    ready, frame = source.read()
            finally:
                writer.release()
    finally:
        source.release()


def _open_video(path: Path) -> cv2.VideoCapture:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its messages about damaged files repeat the error below
    source = cv2.VideoCapture(str(path))
    if not source.isOpened():
        raise UserError(f"{path} cannot be read as a video; it may be damaged, so check or remove it")
    return source


def _count(path: Path) -> int:
    """Return the number of frames given in a video's header, at least 1."""
    source = _open_video(path)
    try:
        return max(int(source.get(cv2.CAP_PROP_FRAME_COUNT)), 1)
    finally:
        source.release()


def _check_written(ready: bool, target: Path) -> None:
    if not ready:
        raise UserError(f"could not write {target}: OpenCV failed; free space or choose another folder")
