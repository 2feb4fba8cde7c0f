"""Writing of a clean copy: images that are upright PNG or JPEG files, and labels that are 8-bit class ids."""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from ssr_mmseg.datasets.image_files import decode, read_image_file
from ssr_mmseg.datasets.importing import class_table, split
from ssr_mmseg.datasets.importing.label_map import IGNORED, LabelMap, code_text
from ssr_mmseg.datasets.importing.orientation import turn_upright
from ssr_mmseg.datasets.importing.plan import ImportPlan
from ssr_mmseg.datasets.importing.survey import IMAGE_FORMATS, Surveyed
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

REPORT, SPLIT_TABLE = "import.json", "split.csv"
KEPT = {"JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",)}  # formats that are copied as they are


def write_copy(plan: ImportPlan, target: Path, palette: Sequence[Sequence[int]] | None, link: bool) -> None:
    """Write the images and labels of a plan to the folder `target`, which is replaced when all is written.

    Args:
        plan: The plan.
        target: Folder with `<split>/images`, `<split>/labels`, `classes.csv`, `import.json`, and `split.csv` if splits
            were drawn.
        palette: Color of each class, or None for those of the label map, or distinct ones.
        link: Link to images that need no change, instead of copying them.

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
            jobs = [pool.submit(_write_pair, one, plan.label_map, folder, target, link) for one in plan.surveyed]
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


def _write_pair(one: Surveyed, label_map: LabelMap, folder: Path, target: Path, link: bool) -> bool:
    """Write a pair; return whether the image was converted."""
    pair = one.pair
    keep = pair.image.suffix.lower() in KEPT.get(one.format, ())
    image = folder / str(pair.split) / "images" / (pair.key + (pair.image.suffix if keep else ".png"))
    label = folder / str(pair.split) / "labels" / (pair.key + ".png")
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    if keep and link:
        final = target / image.relative_to(folder)
        image.symlink_to(_link_text(pair.image, final))
    elif keep:
        shutil.copyfile(pair.image, image)
    else:
        photo = decode(pair.image, read_image_file(pair.image), IMAGE_FORMATS)
        pixels = np.asarray(photo.convert("RGB"))  # (H, W, 3)
        channels = [turn_upright(pixels[..., channel], one.orientation) for channel in range(3)]
        Image.fromarray(np.stack(channels, axis=-1)).save(image)
    ids = label_map.apply(pair.label.read(), pair.label.path)
    if one.raw:
        ids = turn_upright(ids, one.orientation)
    Image.fromarray(ids).save(label)
    return not keep


def _link_text(image: Path, link: Path) -> str:
    """Return what a link to an image holds: a relative path if both are below the working directory."""
    here = Path.cwd()
    absolute, place = Path(os.path.abspath(image)), Path(os.path.abspath(link))
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
