"""Instance annotations in COCO's JSON format, as COCO itself, Roboflow and CVAT write them, as semantic labels."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image

from ssr_mmseg.datasets.importing.layouts.files import IMAGE_SUFFIXES, SourceFiles, examples, list_files
from ssr_mmseg.datasets.importing.layouts.path_words import SPLITS
from ssr_mmseg.datasets.importing.layouts.polygons import (
    REMEDY,
    Polygon,
    PolygonLabel,
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

MAX_LEVELS = 3  # of an annotation file below the source
KEYS = {"images": list, "annotations": list, "categories": list}

ImageId = int | str


@dataclass(frozen=True, eq=False)
class Runs:
    """A mask as the lengths of its runs of pixels, column by column, of which the first, third … are outside of it.

    `size` is height and width; `lengths` (N,), int64, add up to their product.
    """

    name: str
    size: tuple[int, int]
    lengths: np.ndarray

    def area(self) -> float:
        """Return the number of pixels in the mask."""
        return float(self.lengths[1::2].sum())

    def mask(self) -> np.ndarray:
        """Return the mask, (H, W), bool."""
        height, width = self.size
        inside = np.arange(len(self.lengths)) % 2 == 1
        return np.repeat(inside, self.lengths).reshape(width, height).T

    def draw(self, canvas: Image.Image, code: int) -> None:
        canvas.paste(code, None, Image.fromarray(np.ascontiguousarray(self.mask())))


@dataclass
class _AnnotatedImage:
    """An image of an annotation file; `regions` holds the shapes of each annotation."""

    name: PurePosixPath
    size: tuple[int, int]
    regions: list[list[Polygon | Runs]]

    def shapes(self) -> tuple[Polygon | Runs, ...]:
        """Return the shapes by falling area of their annotation, so that small things are drawn on top."""
        ordered = sorted(self.regions, key=lambda region: -sum(shape.area() for shape in region))
        return tuple(shape for region in ordered for shape in region)


def find(folder: Path) -> list[Path]:
    """Return the files with COCO annotations at most 3 levels below a folder, without hidden ones.

    Raises:
        UserError: A folder or a JSON file cannot be read.
    """
    return [folder / path for path in find_json(list_files(folder), KEYS, MAX_LEVELS)]


def read(folder: Path) -> tuple[list[Pair], list[str]]:
    """Find the images of all COCO files below a folder, with their annotations as labels.

    Returns:
        The pairs, sorted by split and key, and notes for the user. Class names are `BACKGROUND` and the categories in
        the order of their ids; they are the same for all labels. All annotations are drawn, crowds too.

    Raises:
        UserError: There is no such file, one is malformed, or an image is missing or annotated twice.
    """
    files = list_files(folder)
    paths = find_json(files, KEYS, MAX_LEVELS)
    if not paths:
        raise UserError(
            f"found no COCO annotations in {folder}, expected a JSON file with the lists images, annotations and "
            f"categories at most {MAX_LEVELS} levels below it; check the folder"
        )
    names: dict[str, None] = {BACKGROUND: None}  # an ordered set
    contents = []
    for path in paths:
        categories, images = _parse(folder / path)
        names.update(dict.fromkeys(categories[number] for number in sorted(categories)))
        contents.append((path, images))
    all_names = tuple(names)
    pairs, empty = [], []
    for path, images in contents:
        split = split_of(path)
        found = _find_images(files, path, split, images)
        for image, place in zip(images, found, strict=True):
            label = PolygonLabel(folder / path, folder / place, image.size, image.shapes(), all_names)
            pairs.append(Pair(key_of(place, split), split, folder / place, label))
            if not image.regions:
                empty.append(place)
    pairs = sorted_pairs(pairs)
    notes = ["where annotations overlap, the smaller one is on top"]
    if empty:
        notes.append(f"{len(empty)} images without an annotation are background: {examples(empty, len(empty))}")
    images_used = {pair.image for pair in pairs}
    unused = [path for path in files.pictures if folder / path not in images_used]
    if unused:
        notes.append(f"{len(unused)} pictures are in no COCO file and not read: {examples(unused, len(unused))}")
    return pairs, notes


def split_of(path: PurePosixPath) -> str | None:
    """Return the split that the name of an annotation file says, or else the innermost of its folders that says one.

    It is None if no name says one, or if that name has words of several splits, as in `train_val.json`.
    """
    for name in reversed(path.parts):
        splits = {SPLITS[word] for word in re.findall("[a-z]+", name.lower()) if word in SPLITS}
        if splits:
            return splits.pop() if len(splits) == 1 else None
    return None


def _find_images(
    files: SourceFiles, path: PurePosixPath, split: str | None, images: Sequence[_AnnotatedImage]
) -> list[PurePosixPath]:
    """Return the path of each image below the source: in one of the usual folders, or wherever its name is unique."""
    words = [word for word, meaning in SPLITS.items() if meaning == split]  # such as val, valid and validation
    folders = ["", *(f"{word}2017" for word in words), "images", *(f"images/{word}" for word in words), *words]
    places = [parent / name for parent in path.parents for name in folders]  # from the annotation file's folder up
    places = [place for place in places if os.path.isdir(files.root / place)]
    by_name = defaultdict(list)
    for picture in files.pictures:
        by_name[picture.name].append(picture)
    found, missing = [], []
    for image in images:
        place = next((p / image.name for p in places if os.path.isfile(files.root / p / image.name)), None)
        same_name = by_name[image.name.name]
        if place is None and len(same_name) > 1:
            raise UserError(
                f"{files.root / path} has the image {quote(str(image.name))}, which is several files: "
                f"{examples(same_name, len(same_name))}; expected one; give its folder in file_name, or remove the rest"
            )
        if place is None and not same_name:
            missing.append(quote(str(image.name)))
        else:
            found.append(place or same_name[0])
    if missing:
        raise UserError(
            f"{len(missing)} of {len(images)} images in {files.root / path} are not below {files.root}: "
            f"{examples(missing, len(missing))}; add them, or remove their entries"
        )
    return found


def _parse(path: Path) -> tuple[dict[int, str], list[_AnnotatedImage]]:
    """Return category names by id and the images of an annotation file; raise `UserError` if it is malformed."""
    document, where = read_json(path), str(path)
    categories: dict[int, str] = {}
    for index, item in enumerate(value_at(document, "categories", list, where)):
        place = f"{where}: categories[{index}]"
        number = value_at(item, "id", int, place)
        if number in categories:
            raise UserError(f"{place} has the id {number} of another category, expected a new one; {REMEDY}")
        categories[number] = class_name_at(item, "name", place)
    images = _parse_images(value_at(document, "images", list, where), where)
    for index, item in enumerate(value_at(document, "annotations", list, where)):
        place = f"{where}: annotations[{index}]"
        image_id, category = _image_id(item, "image_id", place), value_at(item, "category_id", int, place)
        if image_id not in images:
            raise UserError(f"{place} has the image_id {quote(image_id)}, expected an id of images; {REMEDY}")
        if category not in categories:
            raise UserError(f"{place} has the category_id {category}, expected an id of categories; {REMEDY}")
        image = images[image_id]
        image.regions.append(_parse_shapes(item, categories[category], image.size, place))
    return categories, list(images.values())


def _parse_images(items: Sequence[Any], where: str) -> dict[ImageId, _AnnotatedImage]:
    """Return the images by id, still without shapes."""
    images: dict[ImageId, _AnnotatedImage] = {}
    for index, item in enumerate(items):
        place = f"{where}: images[{index}]"
        image_id = _image_id(item, "id", place)
        if image_id in images:
            raise UserError(f"{place} has the id {quote(image_id)} of another image, expected a new one; {REMEDY}")
        text = value_at(item, "file_name", str, place)
        name = PurePosixPath(text.replace("\\", "/"))
        if name.is_absolute() or PureWindowsPath(text).drive or ".." in name.parts:
            raise UserError(f"{place} has the file_name {quote(text)}, expected a path below the folder; {REMEDY}")
        if name.suffix.lower() not in IMAGE_SUFFIXES:
            expected = ", ".join(IMAGE_SUFFIXES)
            raise UserError(f"{place} has the file_name {quote(text)}, expected one in {expected}; convert the image")
        images[image_id] = _AnnotatedImage(name, size_at(item, "height", "width", place), [])
    return images


def _image_id(item: Any, key: str, where: str) -> ImageId:
    if isinstance(item, dict) and isinstance(item.get(key), str):  # as some tools write it
        return item[key]
    return value_at(item, key, int, where)


def _parse_shapes(item: Mapping[str, Any], name: str, size: tuple[int, int], where: str) -> list[Polygon | Runs]:
    """Return the parts of an annotation: polygons, or a run-length encoded mask."""
    where = f"{where}.segmentation"
    parts = item.get("segmentation")
    if isinstance(parts, dict):
        return [Runs(name, size, _parse_runs(parts, size, where))]
    if not isinstance(parts, list) or not parts:
        found = "missing" if parts is None else quote(parts)
        raise UserError(
            f"{where} is {found}, expected polygons or a run-length encoded mask; export a segmentation instead of "
            "boxes, or remove the annotation"
        )
    shapes: list[Polygon | Runs] = []
    for part in parts:
        if not isinstance(part, list):
            raise UserError(f"{where} contains {quote(part)}, expected polygons as [x, y, x, y, ...]; {REMEDY}")
        points = points_of(part, where)
        if len(points) < 3:
            raise UserError(f"{where} has a polygon of {len(points)} points, expected at least 3; {REMEDY}")
        shapes.append(Polygon(name, points))
    return shapes


def _parse_runs(item: Mapping[str, Any], size: tuple[int, int], where: str) -> np.ndarray:
    """Return the lengths of the runs of a mask, checked to fill an image of that size."""
    if item.get("size") != list(size):
        raise UserError(f"{where} has the size {quote(item.get('size'))}, expected {list(size)} of its image; {REMEDY}")
    counts = item.get("counts")
    lengths = decode_counts(counts, where) if isinstance(counts, str) else value_at(item, "counts", list, where)
    for length in lengths:
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise UserError(f"{where} has the count {quote(length)}, expected whole numbers from 0; {REMEDY}")
    if sum(lengths) != size[0] * size[1]:
        expected = size[0] * size[1]
        raise UserError(f"{where} has counts that add up to {sum(lengths)}, expected {expected} pixels; {REMEDY}")
    return np.array(lengths, dtype=np.int64)


def decode_counts(text: str, where: str) -> list[int]:
    """Decode the lengths of runs from COCO's compressed form.

    Each number is split into groups of 5 bits, the lowest first, in two's complement. A group is the character of code
    48 + bits, + 32 if another group follows. From the fourth on, numbers are differences to the second last length.

    Raises:
        UserError: The text has another character, ends within a number, or has a number that is too large.
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 30:
            raise UserError(f"{where} has the counts {quote(text)}, expected a compressed mask of COCO; {REMEDY}")
        number |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            number -= 1 << shift
        lengths.append(number + lengths[-2] if len(lengths) > 2 else number)
        number = shift = 0
    if shift:
        raise UserError(f"{where} has counts that end within a number, expected a complete mask; {REMEDY}")
    return lengths
