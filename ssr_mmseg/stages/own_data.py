"""The commands `inspect` and `import`: look at labeled images as they are, and write a clean copy of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from ssr_mmseg.datasets.contact_sheet import contact_sheet
from ssr_mmseg.datasets.importing import clean_copy
from ssr_mmseg.datasets.importing.inspection import inspect_plan, samples
from ssr_mmseg.datasets.importing.plan import SPLITS, ImportPlan, plan_import
from ssr_mmseg.datasets.importing.request import ImportRequest
from ssr_mmseg.datasets.importing.sequences import auto_grouping, group_keys
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path

FINE, DOUBTFUL = 0, 1  # exit statuses; 2 is that of every error
OPTIONS = {  # by what a message says
    "label_map": "--map KEY=CLASS",
    "classes:": "--classes A,B",
    "split:": "--split val=0.15,test=0.15",
    "label_suffix:": "--label-suffix END",
    "images: FOLDER": "--images FOLDER --labels FOLDER",
    "layout: {type:": "--layout KIND",
    "orientation:": "--orientation upright or raw",
}
PER_SPLIT = 4  # samples of each split on a contact sheet


def inspect_data(source: Path, settings: Mapping[str, Any], sheet: Path | None, as_json: bool) -> int:
    """Print what a folder of labeled images holds, and what is doubtful about it.

    Args:
        source: The folder.
        settings: A dataset's entry, with its name.
        sheet: PNG file for a contact sheet; None for none.
        as_json: Print JSON instead of text.

    Returns:
        Exit status: 0 if nothing is doubtful, 1 with warnings.

    Raises:
        UserError: The data cannot be used as they are.
    """
    with options_named():
        plan = plan_import(source_folder(source), ImportRequest.from_settings(settings), need_splits=False)
        result = inspect_plan(plan, settings["name"])
    if sheet is not None:
        palette = settings.get("palette") or clean_copy.colors_of(plan.label_map)
        with atomic_path(sheet) as temporary:
            contact_sheet(samples(plan, PER_SPLIT), plan.label_map.classes, palette).save(temporary, "PNG")
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print(as_text(result, dataset_entry(source, settings, plan, result["suggested"])))
        if sheet is not None:
            print(f"contact sheet: {sheet}")
    return DOUBTFUL if result["warnings"] else FINE


def import_data(source: Path, settings: Mapping[str, Any], out: Path) -> None:
    """Write a clean copy of labeled images to `out`, and print the settings that use it; the source is not changed.

    Raises:
        UserError: The source or the settings do not tell which class each pixel has, or `out` is not empty.
    """
    clean_copy.check_target(out, source)
    with options_named():
        plan = plan_import(source_folder(source), ImportRequest.from_settings(settings))
        result = inspect_plan(plan, settings["name"])
    clean_copy.write_copy(plan, out, settings.get("palette"), link=False)
    written = {"type": "folder", "source": str(out), "size": result["suggested"]["size"]}
    print(f"{len(plan.surveyed)} images with labels written to {out}; {clean_copy.REPORT} there says what was changed")
    print(as_text(result, {settings["name"]: written}))


@contextmanager
def options_named() -> Iterator[None]:
    """Add the command line's options to errors that name keys of a configuration."""
    try:
        yield
    except UserError as error:
        options = [option for key, option in OPTIONS.items() if key in str(error)]
        hint = f" (on the command line: {', '.join(options)})" if options else ""
        raise UserError(f"{error}{hint}") from error


def as_text(result: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return the result of an inspection as text: counts, notes, warnings, and settings to begin with."""
    console = Console(width=120, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(f"{result['source']}")
        for note in result["notes"]:
            console.print(f"  {note}")
        console.print(_split_table(result["splits"]))
        console.print(_class_table(result["classes"], result["splits"]))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    lines += [f"warning: {line}" for line in result["warnings"]] or ["nothing doubtful was found"]
    lengths = {key: result["suggested"][key] for key in ("search", "retrain")}
    named = {"name": next(iter(entry)), "datasets": dict(entry)}
    config = yaml.safe_dump(named, sort_keys=False, allow_unicode=True, default_flow_style=None)
    longer = yaml.safe_dump(lengths, sort_keys=False, default_flow_style=None)
    lines += ["", "A configuration to begin with, say config/mydata.yaml:", "", *config.splitlines(), ""]
    lines += ["For a search and a training as long as those of config/camvid.yaml, add:", "", *longer.splitlines()]
    return "\n".join(lines)


def _split_table(splits: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("split", "images", "sizes", "ignored"):
        table.add_column(title, header_style="", justify="left" if title in ("split", "sizes") else "right")
    for name, split in splits.items():
        sizes = ", ".join(f"{h}x{w} ({entry['images']})" for entry in split["sizes"] for h, w in [entry["size"]])
        total = split["ignored"] + sum(split["pixels"])
        table.add_row(name, str(split["images"]), sizes, f"{100 * split['ignored'] / total:.1f} %")
    return table


def _class_table(classes: Sequence[str], splits: Mapping[str, Any]) -> Table:
    """Return a table of each class: its share of the labeled pixels, and the images that have it."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("class")
    for name in splits:
        table.add_column(f"{name} pixels", justify="right")
        table.add_column("images", justify="right")
    for number, class_name in enumerate(classes):
        cells = []
        for split in splits.values():
            share = 100 * split["pixels"][number] / max(1, sum(split["pixels"]))
            cells += [f"{share:.3g} %", str(split["class_images"][number])]
        table.add_row(class_name, *cells)
    return table


def dataset_entry(
    source: Path, settings: Mapping[str, Any], plan: ImportPlan, suggested: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the dataset's entry that reads the source as it was read here."""
    entry: dict[str, Any] = {"type": "folder", "source": str(source), "size": suggested["size"]}
    keys = ("classes", "label_map", "ignore", "palette", "split", "layout", "orientation")
    entry |= {key: settings[key] for key in keys if settings.get(key) not in (None, "auto")}
    if not any(key in entry for key in ("classes", "label_map")):
        entry["classes"] = list(plan.label_map.classes)
    images = [one.pair.key for one in plan.surveyed]
    if any(one.pair.split is None for one in plan.surveyed):
        entry["split"] = {"val": 0.15, "test": 0.15, "seed": 0}
        if len(group_keys(images, auto_grouping(images))) < len(SPLITS):
            entry["split"]["by"] = "image"
    return {settings["name"]: entry}


def source_folder(source: Path) -> Path:
    """Return the source if it is a folder.

    Raises:
        UserError: It is none.
    """
    if not source.is_dir():
        what = "is a file" if source.exists() else "does not exist"
        raise UserError(f"{source} {what}; expected a folder of images and labels (unpack an archive first)")
    return source
