"""Cityscapes: mmseg's own dataset, with the label maps of the 19 evaluated classes drawn where they are missing."""

from pathlib import Path

from ssr_mmseg.datasets.preparation.verify import MAX_PIXELS, CheckedPair
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path, read_json

OPTIONS: frozenset[str] = frozenset()
COUNTS = {"train": 2975, "val": 500}
POLYGONS, TRAIN_IDS = "_polygons.json", "_labelTrainIds.png"


def complete(root: Path, splits: dict[str, dict | None]) -> None:
    """Draw each missing `*_labelTrainIds.png` beside its `*_polygons.json`, with the official `cityscapesscripts`.

    Raises:
        UserError: labels are missing and cityscapesscripts is not installed, or polygons are unsound.
    """
    for split in filter(None, splits.values()):
        for polygons in sorted((root / split["data_prefix"]["seg_map_path"]).rglob(f"*{POLYGONS}")):
            label = polygons.with_name(polygons.name.removesuffix(POLYGONS) + TRAIN_IDS)
            if not label.exists():
                draw_label(polygons, label)


def draw_label(polygons: Path, label: Path) -> None:
    """Write the label map (values 0 to 18, and 255 for all else) of one file of polygons.

    Raises:
        UserError: cityscapesscripts is not installed, or the file does not hold polygons of known classes.
    """
    try:
        from cityscapesscripts.preparation.json2labelImg import json2labelImg
    except ImportError as error:
        raise UserError(
            f"{label} is missing, and drawing it needs cityscapesscripts: run pip install cityscapesscripts"
        ) from error
    annotation = read_json(polygons)
    try:
        height, width = int(annotation["imgHeight"]), int(annotation["imgWidth"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{polygons} gives no imgHeight and imgWidth; get the annotations again") from error
    if not 0 < height * width <= MAX_PIXELS:
        raise UserError(f"{polygons} asks for {height}x{width} pixels; at most {MAX_PIXELS} are allowed")
    with atomic_path(label) as temporary:
        try:
            json2labelImg(str(polygons), str(temporary), "trainIds")
        except SystemExit as error:  # its way to refuse an unknown class
            raise UserError(f"{polygons} names a class that Cityscapes does not have; get it again") from error
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UserError(f"{polygons} holds no sound polygons ({error}); get the annotations again") from error


def check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]:
    """Note the splits whose size is not the official one."""
    return count_notes(checked, COUNTS)


def count_notes(checked: dict[str, list[CheckedPair]], official: dict[str, int]) -> list[str]:
    """One note for each split that has another number of images than the official release."""
    return [
        f"{split} has {len(pairs)} images; the official release has {official[split]}"
        for split, pairs in checked.items()
        if split in official and len(pairs) != official[split]
    ]
