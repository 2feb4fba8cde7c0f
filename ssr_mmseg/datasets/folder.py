"""Your own data: labeled images of many layouts and encodings, with classes from the configuration or the source."""

import shutil
from pathlib import Path

from mmseg.registry import DATASETS

from ssr_mmseg.datasets.base import PairedDataset
from ssr_mmseg.datasets.importing import class_table
from ssr_mmseg.datasets.importing.clean_copy import REPORT, write_copy
from ssr_mmseg.datasets.importing.inspection import similar_whole_images
from ssr_mmseg.datasets.importing.plan import plan_import
from ssr_mmseg.datasets.importing.request import ImportRequest
from ssr_mmseg.datasets.preparation import source
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError

OPTIONS: frozenset[str] = frozenset()
COPY = "copy"  # folder of the clean copy, next to the manifest


@DATASETS.register_module()
class FolderDataset(PairedDataset):
    """Images `<split>/images/NAME.{png,jpg,jpeg}` with labels `<split>/labels/NAME.png` of class ids 0 … n−1."""


def acquire(settings: dict, out: Path) -> source.Acquired:
    """Find the images and labels of a source; unless they have the project's own form, write a clean copy.

    The copy, `out / "copy"`, links to images that need no change.

    Raises:
        UserError: See `plan_import`.
    """
    check_palette(settings)
    request = ImportRequest.from_settings(settings)
    plan = plan_import(source.obtain(settings, out), request)
    root = plan.plain_root()
    if root is not None and request.tiles is None and _names_classes(settings, root):
        shutil.rmtree(out / COPY, ignore_errors=True)  # of an earlier state of the source
        return source.Acquired(root, plan.notes)
    write_copy(plan, out / COPY, settings.get("palette"), link=True, tiles=request.tiles)
    if request.tiles is None:
        return source.Acquired(out / COPY, plan.notes)
    height, width = request.tiles.size
    note = f"images are cut into tiles of {height}x{width} with an overlap of {request.tiles.overlap} pixels"
    return source.Acquired(out / COPY, [*plan.notes, note], similar_whole_images(plan))


def configure(settings: dict, root: Path, splits: dict[str, dict | None]) -> dict[str, dict | None]:
    """Add class names, palette and ignored values to every split; drop the test split if its folder does not exist.

    Raises:
        UserError: Class names are missing or differ from those of the source, or the palette does not fit them.
    """
    check_palette(settings)
    classes, palette = _classes(settings, root)
    metainfo = {"classes": classes, "palette": palette or distinct_colors(len(classes))}
    ignore = settings.get("ignore")
    values = {255} if ignore is None or (root / REPORT).is_file() else set()  # copies have 255 for all ignored pixels
    values |= {value for value in ignore or () if isinstance(value, int) and len(classes) <= value <= 255}
    test = splits["test"]
    if test is not None and not (root / test["data_prefix"]["img_path"]).exists():
        splits = {**splits, "test": None}
    return {
        split: None if config is None else {**config, "metainfo": metainfo, "ignore": sorted(values)}
        for split, config in splits.items()
    }


def _names_classes(settings: dict, root: Path) -> bool:
    """Return whether `configure` finds the names of the classes, without a label map or another table."""
    return not settings.get("label_map") and bool(settings.get("classes") or (root / class_table.NAME).is_file())


def _classes(settings: dict, root: Path) -> tuple[list[str], list[list[int]] | None]:
    """Return class names and palette: of the configuration, or else of the table in the data."""
    classes, palette = settings.get("classes"), settings.get("palette")
    table = root / class_table.NAME
    if table.is_file():
        rows = class_table.read_table(table)
        names, colors = [name for name, _ in rows], [class_table.channels(key) for _, key in rows]
        if classes and list(classes) != names:
            raise UserError(
                f"dataset {settings['name']}: classes are {', '.join(classes)}, but {table} has {', '.join(names)}; "
                "remove one of the two"
            )
        return names, palette or (colors if all(colors) else None)  # type: ignore[return-value]
    if not classes:
        raise UserError(
            f"dataset {settings['name']}: type folder needs class names; add them, for example classes: [road, car]"
        )
    return list(classes), palette


def check_palette(settings: dict) -> None:
    """Refuse repeated class names, and a palette that does not fit the classes.

    Raises:
        UserError: They are like that.
    """
    name, classes, palette = (settings.get(key) for key in ("name", "classes", "palette"))
    if classes and len(set(classes)) < len(classes):
        raise UserError(f"dataset {name}: classes contains a name twice; make the names unique")
    if palette is None:
        return
    if classes and len(palette) != len(classes):
        raise UserError(
            f"dataset {name}: palette has {len(palette)} colors for {len(classes)} classes; give one [red, green, "
            "blue] for each class"
        )
    for color in palette:
        if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
            raise UserError(
                f"dataset {name}: palette contains {list(color)}; expected [red, green, blue] from 0 to 255"
            )
