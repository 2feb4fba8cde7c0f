"""Inputs of `predict`: images, videos, folders of them, cameras and streams."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ssr_mmseg.deploy.videos import SUFFIXES as VIDEOS
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.live_input import LiveInput

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def expand_inputs(inputs: Sequence[Path | LiveInput]) -> list[Path | LiveInput]:
    """Replace folders by the images and videos in them, sorted by name; an input that comes twice is kept once.

    Raises:
        UserError: An input is missing or of another kind, or a folder has none.
    """
    kept: dict[str | LiveInput, Path | LiveInput] = {}
    for source in inputs:
        for each in [source] if isinstance(source, LiveInput) else _files(source):
            kept.setdefault(each if isinstance(each, LiveInput) else os.path.abspath(each), each)
    return list(kept.values())


def is_video(source: Path | LiveInput) -> bool:
    """Return whether an input becomes a video."""
    return isinstance(source, LiveInput) or source.suffix.lower() in VIDEOS


def _files(path: Path) -> Iterator[Path]:
    """Iterate over a file, or the images and videos of a folder."""
    expected = f"type {', '.join((*IMAGES, *VIDEOS))}"
    try:
        folder = path.is_dir()
        inside = sorted(file for file in path.iterdir() if _is_input(file)) if folder else []
        exists = folder or path.is_file()
    except OSError as error:
        raise UserError(f"could not read input {path}: {error.strerror}; check the path") from error
    if folder and not inside:
        raise UserError(f"folder {path} has no image or video; expected files of {expected}")
    if not exists:
        raise UserError(f"input {path} not found, or not a file; check the path")
    if not folder and path.suffix.lower() not in (*IMAGES, *VIDEOS):
        raise UserError(f"input {path} is neither an image nor a video; expected {expected}")
    yield from inside or [path]


def _is_input(path: Path) -> bool:
    """Return whether a folder's entry is an image or a video; a pipe or device of such a name is not."""
    return path.suffix.lower() in (*IMAGES, *VIDEOS) and path.is_file()
