"""Cityscapes, read by mmseg's own dataset class; missing label maps of the 19 evaluated classes are drawn."""

from pathlib import Path

from ssr_mmseg.datasets.image_files import MAX_PIXELS
from ssr_mmseg.datasets.preparation.verify import CheckedPair
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.files import atomic_path, read_json

OPTIONS: frozenset[str] = frozenset()
COUNTS = {"train": 2975, "val": 500}
DERIVED = ("*_labelTrainIds.png",)  # files that `complete` adds to the source
POLYGONS, TRAIN_IDS = "_polygons.json", "_labelTrainIds.png"


def complete(root: Path, splits: dict[str, dict | None]) -> None:
    """Draw each missing `*_labelTrainIds.png` from the `*_polygons.json` next to it, with `cityscapesscripts`.

    Raises:
        UserError: Labels are missing and cityscapesscripts is not installed, or polygons are invalid.
    """
    for split in filter(None, splits.values()):
        for polygons in sorted((root / split["data_prefix"]["seg_map_path"]).rglob(f"*{POLYGONS}")):
            label = polygons.with_name(polygons.name.removesuffix(POLYGONS) + TRAIN_IDS)
            if not label.exists():
                draw_label(polygons, label)


def draw_label(polygons: Path, label: Path) -> None:
    """Draw the label map of one file of polygons: values 0 to 18, and 255 elsewhere.

    Raises:
        UserError: cityscapesscripts is not installed, or the file does not contain polygons of known classes.
    """
    drawing = require("cityscapesscripts.preparation.json2labelImg", f"drawing the missing {label}")
    annotation = read_json(polygons)
    try:
        height, width = int(annotation["imgHeight"]), int(annotation["imgWidth"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{polygons} does not give imgHeight and imgWidth; download it again") from error
    if not 0 < height * width <= MAX_PIXELS:
        raise UserError(f"{polygons} declares {height}x{width} pixels; at most {MAX_PIXELS} are allowed")
    with atomic_path(label) as temporary:
        try:
            drawing.json2labelImg(str(polygons), str(temporary), "trainIds")
        except SystemExit as error:  # json2labelImg exits on an unknown class
            raise UserError(f"{polygons} has a class that is not in Cityscapes; download it again") from error
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UserError(f"{polygons} does not contain valid polygons ({error}); download it again") from error


def check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]:
    """Return a note for each split whose number of images differs from the official release."""
    return count_notes(checked, COUNTS)


def count_notes(checked: dict[str, list[CheckedPair]], official: dict[str, int]) -> list[str]:
    """Return a note for each split whose number of images is not the `official` one."""
    return [
        f"{split} has {len(pairs)} images; the official release has {official[split]}"
        for split, pairs in checked.items()
        if split in official and len(pairs) != official[split]
    ]
