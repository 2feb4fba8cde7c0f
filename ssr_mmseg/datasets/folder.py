"""Your own data: folders of images and labels, with class names from the experiment's configuration."""

from pathlib import Path

from mmseg.registry import DATASETS

from ssr_mmseg.datasets.base import PairedDataset
from ssr_mmseg.utils.errors import UserError

OPTIONS: frozenset[str] = frozenset()


@DATASETS.register_module()
class FolderDataset(PairedDataset):
    """Images `<split>/images/NAME.{png,jpg,jpeg}` with labels `<split>/labels/NAME.png` of class ids 0 … n−1."""


def configure(settings: dict, root: Path, splits: dict[str, dict | None]) -> dict[str, dict | None]:
    """Add class names, palette and ignored values to every split; drop the test split if its folder does not exist.

    Raises:
        UserError: Class names are missing or repeated, or the palette or the ignored values do not fit them.
    """
    name, classes = settings["name"], settings.get("classes")
    if not classes:
        raise UserError(f"dataset {name}: type folder needs class names; add them, for example classes: [road, car]")
    if len(set(classes)) < len(classes):
        raise UserError(f"dataset {name}: classes contains a name twice; make the names unique")
    metainfo: dict = {"classes": list(classes)}
    if settings.get("palette") is not None:
        metainfo["palette"] = _checked_palette(settings)
    ignore = settings.get("ignore")
    ignore = [255] if ignore is None else list(ignore)
    for value in ignore:
        if not len(classes) <= value <= 255:
            raise UserError(f"dataset {name}: ignore contains {value}; expected values from {len(classes)} to 255")
    test = splits["test"]
    if test is not None and not (root / test["data_prefix"]["img_path"]).exists():
        splits = {**splits, "test": None}
    return {
        split: None if config is None else {**config, "metainfo": metainfo, "ignore": ignore}
        for split, config in splits.items()
    }


def _checked_palette(settings: dict) -> list[list[int]]:
    palette = [list(color) for color in settings["palette"]]
    if len(palette) != len(settings["classes"]):
        raise UserError(
            f"dataset {settings['name']}: palette has {len(palette)} colors for {len(settings['classes'])} classes; "
            "give one [red, green, blue] for each class"
        )
    for color in palette:
        if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
            raise UserError(
                f"dataset {settings['name']}: palette contains {color}; expected [red, green, blue] from 0 to 255"
            )
    return palette
