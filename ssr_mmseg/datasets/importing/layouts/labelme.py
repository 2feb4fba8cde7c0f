"""Annotations of labelme: a JSON file with shapes for each image."""

import os
import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ssr_mmseg.datasets.importing.layouts.files import IMAGE_SUFFIXES, SourceFiles, examples, list_files
from ssr_mmseg.datasets.importing.layouts.path_words import place_of
from ssr_mmseg.datasets.importing.layouts.polygons import (
    REMEDY,
    Circle,
    Polygon,
    PolygonLabel,
    Rectangle,
    Shape,
    class_name_at,
    find_json,
    key_of,
    points_of,
    size_at,
    sorted_pairs,
    value_at,
)
from ssr_mmseg.datasets.importing.raw_label import BACKGROUND, Pair
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json
from ssr_mmseg.utils.safe_parsing import quote

KEYS = {"shapes": list, "imagePath": str}


def find(folder: Path) -> list[Path]:
    """Return labelme's files below a folder, without hidden ones.

    Raises:
        UserError: A folder or a JSON file cannot be read.
    """
    return [folder / path for path in find_json(list_files(folder), KEYS)]


def read(folder: Path) -> tuple[list[Pair], list[str]]:
    """Find the images of all labelme files below a folder, with their shapes as labels.

    Returns:
        The pairs, sorted by split and key, and notes for the user. Class names are `BACKGROUND` and all other labels,
        sorted; they are the same for all pairs. Later shapes lie on top of earlier ones, as in labelme.

    Raises:
        UserError: There is no such file, one is malformed or has shapes other than polygons, rectangles and circles,
            an annotation has no image, or an image has no annotation or two.
    """
    files = list_files(folder)
    paths = find_json(files, KEYS)
    if not paths:
        raise UserError(
            f"found no labelme annotations in {folder}, expected a JSON file with shapes and imagePath for each image; "
            "check the folder"
        )
    by_stem = defaultdict(list)
    for picture in files.pictures:
        by_stem[picture.with_suffix("")].append(picture)
    contents = []
    for path in paths:
        document, where = read_json(folder / path), str(folder / path)
        image = _image_of(files, path, value_at(document, "imagePath", str, where), by_stem[path.with_suffix("")])
        size = size_at(document, "imageHeight", "imageWidth", where)
        shapes = _parse_shapes(value_at(document, "shapes", list, where), where)
        contents.append((path, image, size, shapes))
    images = {image for _, image, _, _ in contents}
    without = [picture for picture in files.pictures if picture not in images]
    if without:
        raise UserError(
            f"{len(without)} of {len(files.pictures)} images in {folder} have no labelme file: "
            f"{examples(without, len(without))}; add a JSON file next to each, or move the images away"
        )
    found = {shape.name for _, _, _, shapes in contents for shape in shapes}
    names = (BACKGROUND, *sorted(found - {BACKGROUND}))
    pairs = []
    for path, image, size, shapes in contents:
        split = place_of(image).split or place_of(path).split
        label = PolygonLabel(folder / path, folder / image, size, shapes, names)
        pairs.append(Pair(key_of(image, split), split, folder / image, label))
    empty = [image for _, image, _, shapes in contents if not shapes]
    notes = [f"{len(empty)} images without a shape are background: {examples(empty, len(empty))}"] if empty else []
    return sorted_pairs(pairs), notes


def _image_of(files: SourceFiles, path: PurePosixPath, text: str, same_stem: Sequence[PurePosixPath]) -> PurePosixPath:
    """Return the image of an annotation file below the source: by its `imagePath`, or else the one of the same stem."""
    slashed = text.replace("\\", "/")
    if not slashed.startswith("/") and not PureWindowsPath(text).drive:
        # `..` is resolved as text, so that the path is refused as soon as it leaves the source.
        named = PurePosixPath(posixpath.normpath(path.parent / slashed))
        if ".." not in named.parts and named.suffix.lower() in IMAGE_SUFFIXES and os.path.isfile(files.root / named):
            return named
    if len(same_stem) > 1:
        raise UserError(
            f"{files.root / path} has the imagePath {quote(text)}, which is no image below {files.root}, and next to "
            f"it are {examples(same_stem, len(same_stem))}, expected one image of its name; remove the others"
        )
    if not same_stem:
        raise UserError(
            f"{files.root / path} has no image: expected its imagePath {quote(text)}, or an image of its own name next "
            "to it (embedded imageData is not read); add the image file"
        )
    return same_stem[0]


def _parse_shapes(items: Sequence[Any], where: str) -> tuple[Shape, ...]:
    """Return the shapes in their order; raise `UserError` if one is malformed or cannot be drawn."""
    shapes: list[Shape] = []
    for index, item in enumerate(items):
        place = f"{where}: shapes[{index}]"
        name = class_name_at(item, "label", place)
        form = item.get("shape_type")
        if form not in (None, "polygon", "rectangle", "circle"):
            raise UserError(
                f"{place}, {quote(name)}, has the shape_type {quote(form)}, expected polygon, rectangle or circle; "
                "draw it as a polygon, or remove it"
            )
        numbers = []
        for point in value_at(item, "points", list, place):
            if not isinstance(point, list) or len(point) != 2:
                raise UserError(f"{place} has the point {quote(point)}, expected [x, y]; {REMEDY}")
            numbers += point
        points = points_of(numbers, place)
        if form in ("rectangle", "circle"):
            if len(points) != 2:
                raise UserError(f"{place} is a {form} of {len(points)} points, expected 2; {REMEDY}")
            shapes.append(Rectangle(name, points) if form == "rectangle" else Circle(name, points))
        elif len(points) < 3:  # files of old versions have polygons only, and no shape_type
            raise UserError(f"{place} is a polygon of {len(points)} points, expected at least 3; draw it again")
        else:
            shapes.append(Polygon(name, points))
    return tuple(shapes)
