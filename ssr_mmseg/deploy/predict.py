"""The command `predict`: an exported network on images, folders and videos, with ONNX Runtime alone."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
FPS = 25.0  # of a video that does not tell its own


def predict(
    model: Path, inputs: Sequence[Path], out: Path, provider: str = "cpu", opacity: float = 0.5, threads: int = 0
) -> list[Path]:
    """Segment images and videos; write each with the colours of its classes over it into the folder `out`.

    Args:
        model: file that `ssr-mmseg export` wrote.
        inputs: images, folders of images and videos, or videos.
        out: an image NAME.jpg becomes NAME.png there, a video NAME.avi NAME.mp4.
        provider: `cpu`, `cuda` or `tensorrt`.
        opacity: of the colours, 0 to 1.
        threads: of the CPU; 0 for one per core.

    Returns:
        The files written, in the order of the inputs.

    Raises:
        UserError: a file that is no exported network, no image or no video; two inputs that would write one file.
    """
    if not 0 <= opacity <= 1:
        raise UserError(f"expected an opacity from 0 to 1, found {opacity}")
    if threads < 0:
        raise UserError(f"expected at least 1 thread, or 0 for one per core, found {threads}")
    found = list(_expanded(inputs))
    targets = [out / f"{path.stem}{'.mp4' if path.suffix.lower() in VIDEOS else '.png'}" for path in found]
    for target in targets:
        if targets.count(target) > 1:
            same = ", ".join(str(path) for path, other in zip(found, targets, strict=True) if other == target)
            raise UserError(f"{same} would all be written to {target}; give them different names")
        if target.resolve() in {path.resolve() for path in found}:
            raise UserError(f"{target} is an input and would be overwritten; choose another folder for --out")
    network = ExportedNetwork(model, provider, threads)
    frames = [_count(path) if path.suffix.lower() in VIDEOS else 1 for path in found]
    with Progress(sum(frames)) as progress:
        for path, target in zip(found, targets, strict=True):
            if path.suffix.lower() in VIDEOS:
                _video(network, path, target, opacity, progress)
            else:
                _image(network, path, target, opacity)
                progress.step(path.name)
    return targets


class Progress:
    """A bar on a terminal; elsewhere a plain line for every tenth of the frames."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.bar = tqdm(total=total, unit="frame", file=sys.stderr) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, name: str) -> None:
        """One frame of `name` is done."""
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(name)
            self.bar.update()
        elif self.done == self.total or self.done % max(1, self.total // 10) == 0:
            print(f"{self.done} of {self.total} frames, {name}", file=sys.stderr, flush=True)


def _expanded(inputs: Sequence[Path]) -> Iterator[Path]:
    """The images and videos among `inputs`; of a folder those in it, by name."""
    for path in inputs:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in (*IMAGES, *VIDEOS))
            if not inside:
                raise UserError(f"folder {path} has no image or video; known are: {', '.join((*IMAGES, *VIDEOS))}")
            yield from inside
        elif not path.is_file():
            raise UserError(f"input {path} not found; check the path")
        elif path.suffix.lower() not in (*IMAGES, *VIDEOS):
            raise UserError(f"input {path} is neither image nor video; known are: {', '.join((*IMAGES, *VIDEOS))}")
        else:
            yield path


def _image(network: ExportedNetwork, path: Path, target: Path, opacity: float) -> None:
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:  # a header that promises more than 2³⁰ pixels
        raise UserError(f"{path} is larger than an image that OpenCV reads; make it smaller") from error
    if image is None:
        raise UserError(f"{path} is no image that can be read; it may be damaged")
    with atomic_path(target) as temporary:
        _written(cv2.imwrite(str(temporary), network.overlay(image, network.labels(image), opacity)), target)


def _video(network: ExportedNetwork, path: Path, target: Path, opacity: float, progress: Progress) -> None:
    source = _opened(path)
    try:
        ready, frame = source.read()
        if not ready:
            raise UserError(f"{path} is a video without a frame that can be read; it may be damaged")
        height, width = frame.shape[:2]
        with atomic_path(target) as temporary:
            fps = source.get(cv2.CAP_PROP_FPS) or FPS
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
            _written(writer.isOpened(), target)
            try:
                while ready:
                    labels = network.labels(frame)
                    writer.write(np.ascontiguousarray(network.overlay(frame, labels, opacity)))
                    progress.step(path.name)
                    ready, frame = source.read()
            finally:
                writer.release()
    finally:
        source.release()


def _opened(path: Path) -> cv2.VideoCapture:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what it would say of a damaged file is said below
    source = cv2.VideoCapture(str(path))
    if not source.isOpened():
        raise UserError(f"{path} is no video that can be read; it may be damaged")
    return source


def _count(path: Path) -> int:
    """Number of frames that a video says it has."""
    source = _opened(path)
    try:
        return max(int(source.get(cv2.CAP_PROP_FRAME_COUNT)), 1)
    finally:
        source.release()


def _written(ready: bool, target: Path) -> None:
    if not ready:
        raise UserError(f"could not write {target}: opencv refused; free space or choose another folder")
