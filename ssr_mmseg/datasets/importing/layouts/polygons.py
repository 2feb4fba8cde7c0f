"""Annotations as outlines: their shapes and drawing, and the checks that the readers of such JSON files share."""

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

import numpy as np
from PIL import Image, ImageDraw

from ssr_mmseg.datasets.image_files import MAX_PIXELS, open_header, orientation, read_image_file
from ssr_mmseg.datasets.importing.layouts.files import SourceFiles
from ssr_mmseg.datasets.importing.layouts.path_words import words_in
from ssr_mmseg.datasets.importing.raw_label import BACKGROUND, Pair, RawLabel
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json
from ssr_mmseg.utils.safe_parsing import quote

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_COORDINATE = 100_000  # far outside of any image; Pillow's integers overflow much later
REMEDY = "correct the file or export it again"
KINDS = {int: "a whole number", str: "text", list: "a list", dict: "an object"}

T = TypeVar("T", int, str, list, dict)


class Shape(Protocol):
    """A region of one class."""

    @property
    def name(self) -> str:
        """Class name of the source."""
        ...

    def draw(self, canvas: Image.Image, code: int) -> None:
        """Set the region's pixels to `code`; `canvas` is an image of mode I, and the region may extend beyond it."""
        ...


@dataclass(frozen=True, eq=False)
class Polygon:
    """The inside of a closed line through `points` (N, 2): x and y in pixels from the image's top left corner."""

    name: str
    points: np.ndarray

    def area(self) -> float:
        """Return the enclosed area in pixels."""
        x, y = self.points.T
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)

    def draw(self, canvas: Image.Image, code: int) -> None:
        ImageDraw.Draw(canvas).polygon(self.points.ravel().tolist(), fill=code)


@dataclass(frozen=True, eq=False)
class Rectangle:
    """An upright rectangle between two opposite corners `points` (2, 2): x and y in pixels."""

    name: str
    points: np.ndarray

    def draw(self, canvas: Image.Image, code: int) -> None:
        corners = np.sort(self.points, axis=0)  # top left, bottom right
        ImageDraw.Draw(canvas).rectangle(corners.ravel().tolist(), fill=code)


@dataclass(frozen=True, eq=False)
class Circle:
    """A circle, as in labelme: its center and a point on its edge, `points` (2, 2): x and y in pixels."""

    name: str
    points: np.ndarray

    def draw(self, canvas: Image.Image, code: int) -> None:
        (x, y), edge = self.points
        radius = np.hypot(*(edge - (x, y)))
        ImageDraw.Draw(canvas).ellipse([x - radius, y - radius, x + radius, y + radius], fill=code)


def draw_polygons(size: tuple[int, int], shapes: Sequence[Shape], names: Sequence[str]) -> np.ndarray:
    """Draw shapes, each on top of those before it.

    The pixels are those that Pillow fills, as in labelme's own export: corners are rounded towards zero to the pixels
    that contain them, and a shape consists of the pixels with their centers inside the outline through the centers of
    these corner pixels, and of the pixels on that outline. A shape is thus about a third of a pixel larger on each
    side than its area. Holes are not supported: COCO and labelme have none in polygons.

    Args:
        size: Height and width in pixels.
        shapes: The shapes; what lies outside of the image is cut off.
        names: Distinct class names, with `BACKGROUND` and those of all shapes.

    Returns:
        (H, W), int32: the index in `names` of each pixel's class; of `BACKGROUND` where there is no shape.
    """
    height, width = size
    code_of = {name: code for code, name in enumerate(names)}
    canvas = Image.new("I", (width, height), code_of[BACKGROUND])
    for shape in shapes:
        shape.draw(canvas, code_of[shape.name])
    return np.array(canvas, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class PolygonLabel:
    """A label that is drawn when it is read.

    Attributes:
        path: The annotation file.
        image: The image that it describes.
        size: Height and width of the image in pixels, according to the annotation file.
        shapes: In the order of drawing.
        names: Class names; the labels of a source share one tuple.
    """

    path: Path
    image: Path
    size: tuple[int, int]
    shapes: tuple[Shape, ...]
    names: tuple[str, ...]

    def read(self) -> RawLabel:
        """Draw the shapes.

        Raises:
            UserError: The image cannot be read, or is not of the annotated size.
        """
        header = open_header(self.image, read_image_file(self.image), IMAGE_FORMATS)
        stored = (header.height, header.width)
        turned = orientation(header) in (5, 6, 7, 8)
        upright = stored[::-1] if turned else stored  # as training decodes it
        if upright != self.size:
            found = f"{upright[0]}x{upright[1]}"
            reason = " after the rotation in its EXIF data" if turned and stored == self.size else ""
            raise UserError(
                f"{self.path} describes {self.image} as {self.size[0]}x{self.size[1]} (height x width), but it is "
                f"{found}{reason}; annotate the image as it is, or restore the one that was annotated"
            )
        return RawLabel("name", draw_polygons(self.size, self.shapes, self.names), self.names)


def find_json(files: SourceFiles, keys: Mapping[str, type], max_levels: int | None = None) -> list[PurePosixPath]:
    """Return the JSON files whose top level is an object with values of some types at some keys.

    A damaged file that mentions all keys is among them, so that reading it reports the damage.

    Args:
        files: The files of the source.
        keys: Type of the value at each key.
        max_levels: How many levels below the source a file may be; 1 is directly in it.

    Raises:
        UserError: A JSON file cannot be read.
    """
    found = []
    for relative in files.others:
        path = files.root / relative
        if max_levels is not None and len(relative.parts) > max_levels:
            continue
        if relative.suffix.lower() == ".json" and path.is_file():
            stat = path.stat()
            if _has_keys(path, tuple(keys.items()), stat.st_size, stat.st_mtime_ns):
                found.append(relative)
    return found


@lru_cache(maxsize=100_000)
def _has_keys(path: Path, keys: tuple[tuple[str, type], ...], bytes_: int, modified: int) -> bool:
    """See `find_json`. A file is parsed only if it mentions all keys, and again only if its size or time changed."""
    if not bytes_:
        return False
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if any(data.find(f'"{key}"'.encode()) < 0 for key, _ in keys):
                return False
    except (OSError, ValueError) as error:  # ValueError: it became empty
        raise UserError(f"could not read {path}: {error}; check the file") from error
    try:
        document = read_json(path)
    except UserError:
        return True
    return isinstance(document, dict) and all(isinstance(document.get(key), kind) for key, kind in keys)


def value_at(item: Any, key: str, kind: type[T], where: str) -> T:
    """Return the value at a key of a JSON object.

    Raises:
        UserError: `item` is no object or has no such key, or the value is not of the type `kind`.
    """
    if not isinstance(item, dict):
        raise UserError(f"{where} is {quote(item)}, expected an object with {key}; {REMEDY}")
    if key not in item:
        raise UserError(f"{where} has no {key}, expected {KINDS[kind]}; {REMEDY}")
    value = item[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"{where} has the {key} {quote(value)}, expected {KINDS[kind]}; {REMEDY}")
    return value


def class_name_at(item: Any, key: str, where: str) -> str:
    """Return a class name; raise `UserError` if it is missing, blank or not printable."""
    name = value_at(item, key, str, where)
    if not name.strip() or not name.isprintable():
        raise UserError(f"{where} has the {key} {quote(name)}, expected a printable name; {REMEDY}")
    return name


def size_at(item: Any, height: str, width: str, where: str) -> tuple[int, int]:
    """Return height and width from the keys of that name; raise `UserError` unless it is the size of an image."""
    size = value_at(item, height, int, where), value_at(item, width, int, where)
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise UserError(
            f"{where} has the {height} {size[0]} and the {width} {size[1]}, expected at least 1 each and at most "
            f"{MAX_PIXELS} pixels; {REMEDY}"
        )
    return size


def points_of(numbers: Sequence[Any], where: str) -> np.ndarray:
    """Return coordinates x, y, x, y … as points (N, 2), float64.

    Raises:
        UserError: One is not a number of pixels, or their count is odd.
    """
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= MAX_COORDINATE:
            raise UserError(
                f"{where} has the coordinate {quote(number)}, expected a number of pixels from -{MAX_COORDINATE} to "
                f"{MAX_COORDINATE}; {REMEDY}"
            )
    if len(numbers) % 2:
        raise UserError(f"{where} has {len(numbers)} coordinates, expected pairs of x and y; {REMEDY}")
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)


def key_of(image: PurePosixPath, split: str | None) -> str:
    """Return `Pair.key` of an image below the source: without the leading folders that name its split or images."""
    parts = list(image.with_suffix("").parts)
    while len(parts) > 1:
        said_split, said_role = words_in(parts[0])
        if said_split not in (None, split) or (said_split is None and said_role != "image"):
            break
        del parts[0]
    return "/".join(parts)


def sorted_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Return pairs sorted by split and key.

    Raises:
        UserError: Two pairs of a split have the same key.
    """
    ordered = sorted(pairs, key=lambda pair: (pair.split or "", pair.key))
    for first, second in pairwise(ordered):
        if (first.split, first.key) != (second.split, second.key):
            continue
        if first.image == second.image:
            files = " and ".join(dict.fromkeys(str(pair.label.path) for pair in (first, second)))
            raise UserError(f"{first.image} is annotated twice, in {files}; expected once; remove one of the two")
        raise UserError(
            f"{first.image} and {second.image} would share the name {first.key}, expected different ones in a split; "
            "rename one or move it away"
        )
    return ordered
