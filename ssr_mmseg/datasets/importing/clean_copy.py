"""Writing of a clean copy: images that are upright PNG or JPEG files, and labels that are 8-bit class ids."""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from ssr_mmseg.datasets.image_files import decode, read_image_file
from ssr_mmseg.datasets.importing import class_table, split
from ssr_mmseg.datasets.importing.label_map import IGNORED, LabelMap, code_text
from ssr_mmseg.datasets.importing.orientation import turn_upright
from ssr_mmseg.datasets.importing.plan import ImportPlan
from ssr_mmseg.datasets.importing.request import Tiles
from ssr_mmseg.datasets.importing.survey import IMAGE_FORMATS, Surveyed
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json
from ssr_mmseg.utils.windows import windows

REPORT, SPLIT_TABLE = "import.json", "split.csv"
WHOLE = "_whole"  # end of the names of folders with the whole images of val and test, where splits have tiles
PADDING = (124, 116, 104)  # ImageNet's mean color, which networks see as 0
COMPRESSION = 3  # of PNG files; more takes several times as long for a few percent
KEPT = {"JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",)}  # formats that are copied as they are


def write_copy(
    plan: ImportPlan, target: Path, palette: Sequence[Sequence[int]] | None, link: bool, tiles: Tiles | None = None
) -> None:
    """Write the images and labels of a plan to the folder `target`, which is replaced when all is written.

    Args:
        plan: The plan.
        target: Folder with `<split>/images`, `<split>/labels`, `classes.csv`, `import.json`, and `split.csv` if splits
            were drawn.
        palette: Color of each class, or None for those of the label map, or distinct ones.
        link: Link to images that need no change, instead of copying them.
        tiles: Cut the images of each split into tiles; val and test are written whole, too.

    Raises:
        UserError: A file cannot be read or written.
    """
    classes = list(plan.label_map.classes)
    colors = [list(color) for color in palette or colors_of(plan.label_map)]
    if len(colors) != len(classes):
        names = ", ".join(classes)
        raise UserError(
            f"palette has {len(colors)} colors, expected one for each of the {len(classes)} classes: {names}"
        )
    with staged_folder(target) as folder:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            jobs = [pool.submit(_write_pair, one, plan.label_map, folder, target, link, tiles) for one in plan.surveyed]
            try:
                changed = [job.result() for job in jobs]
            finally:
                pool.shutdown(cancel_futures=True)
        class_table.write_table(folder / class_table.NAME, classes, colors)
        if plan.groups:
            assignment = {one.pair.key: str(one.pair.split) for one in plan.surveyed if one.pair.key in plan.groups}
            split.write_split(folder / SPLIT_TABLE, assignment, plan.groups)
        write_json(folder / REPORT, report(plan, changed))


def colors_of(label_map: LabelMap) -> list[list[int]]:
    """Return the color of each class: that of the label map, or else a distinct one."""
    return label_map.palette or distinct_colors(len(label_map.classes))


def report(plan: ImportPlan, changed: Sequence[bool]) -> dict:
    """Return what was read, and how labels became class ids."""
    label_map = plan.label_map
    meaning = {
        code_text(code, kind).strip('"'): "ignored" if number == IGNORED else label_map.classes[number]
        for kind in ("value", "color", "name")
        for code, number in label_map.ids(kind).items()
        if kind in label_map.kinds
    }
    return {
        "layout": plan.layout,
        "images": len(plan.surveyed),
        "images_converted": sum(changed),
        "labels_turned": sum(one.raw for one in plan.surveyed),
        "label_map": meaning,
        "notes": plan.notes,
    }


def _write_pair(
    one: Surveyed, label_map: LabelMap, folder: Path, target: Path, link: bool, tiles: Tiles | None
) -> bool:
    """Write a pair, whole or in tiles; return whether the image was converted."""
    pair, split = one.pair, str(one.pair.split)
    keep = pair.image.suffix.lower() in KEPT.get(one.format, ())
    ids = label_map.apply(pair.label.read(), pair.label.path)
    if one.raw:
        ids = turn_upright(ids, one.orientation)
    if tiles:
        pixels = _upright_pixels(one)
        for (top, left), tile, labels in cut(pixels, ids, tiles):
            if (labels != IGNORED).any():
                key = f"{pair.key}_y{top}_x{left}"
                _save(Image.fromarray(tile), _place(folder, split, "images", f"{key}.png"))
                _save(Image.fromarray(labels), _place(folder, split, "labels", f"{key}.png"))
        if split == "train":
            return True
        split += WHOLE
    image = _place(folder, split, "images", pair.key + (pair.image.suffix if keep else ".png"))
    if keep and link:
        image.symlink_to(link_text(pair.image, target / image.relative_to(folder)))
    elif keep:
        shutil.copyfile(pair.image, image)
    else:
        _save(Image.fromarray(_upright_pixels(one)), image)
    _save(Image.fromarray(ids), _place(folder, split, "labels", pair.key + ".png"))
    return not keep


def cut(pixels: np.ndarray, ids: np.ndarray, tiles: Tiles) -> Iterator[tuple[tuple[int, int], np.ndarray, np.ndarray]]:
    """Yield position, pixels (h, w, 3) and ids (h, w) of each tile; smaller images are padded at the bottom and right.

    Args:
        pixels: Image (H, W, 3), RGB.
        ids: Class ids (H, W).
        tiles: Size and overlap of the tiles.
    """
    height, width = tiles.size
    for top, left in windows(ids.shape, tiles.size, tiles.overlap):
        tile, labels = (array[top : top + height, left : left + width] for array in (pixels, ids))
        missing = ((0, height - labels.shape[0]), (0, width - labels.shape[1]))
        if any(after for _, after in missing):
            padded = np.broadcast_to(np.array(PADDING, np.uint8), (height, width, 3)).copy()
            padded[: tile.shape[0], : tile.shape[1]] = tile
            tile, labels = padded, np.pad(labels, missing, constant_values=IGNORED)
        yield (top, left), np.ascontiguousarray(tile), np.ascontiguousarray(labels)


def _upright_pixels(one: Surveyed) -> np.ndarray:
    """Return an image as it is seen upright, (H, W, 3), RGB."""
    photo = decode(one.pair.image, read_image_file(one.pair.image), IMAGE_FORMATS)
    pixels = np.asarray(photo.convert("RGB"))
    channels = [turn_upright(pixels[..., channel], one.orientation) for channel in range(3)]
    return np.stack(channels, axis=-1)


def _place(folder: Path, split: str, kind: str, name: str) -> Path:
    """Return the path of a file to write, in a folder that exists."""
    path = folder / split / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _save(image: Image.Image, path: Path) -> None:
    image.save(path, compress_level=COMPRESSION)


def link_text(file: Path, link: Path) -> str:
    """Return what a link to a file holds: a relative path if both are below the working directory."""
    here = Path.cwd()
    absolute, place = Path(os.path.abspath(file)), Path(os.path.abspath(link))
    if absolute.is_relative_to(here) and place.is_relative_to(here):
        return os.path.relpath(absolute, place.parent)
    return str(absolute)


def check_target(target: Path, source: Path) -> None:
    """Refuse a target that holds something, or that is within the source or around it.

    Raises:
        UserError: It is one of these.
    """
    absolute, origin = target.resolve(), source.resolve()
    if absolute == origin or absolute.is_relative_to(origin) or origin.is_relative_to(absolute):
        raise UserError(
            f"the copy {target} would be in its source {source}, or around it; choose another folder for --out"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists and is not an empty folder; choose another one for --out, or remove it")
