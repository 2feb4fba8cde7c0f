"""Options of the commands that read labeled images: the same that a dataset's entry in a configuration has."""

import argparse
import re
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.utils import option_types as types
from ssr_mmseg.utils.errors import UserError

NUMBER = "[0-9]{1,10}"  # a value of a label; a longer one is text, which the models refuse
SIZE = [256, 512]  # stands in for the input size, which these commands suggest


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the source, the options that say how it is read, and a configuration that may say it to a command."""
    add_reading_options(command)
    command.add_argument(
        "--config", type=types.source_path, help="configuration whose entry says how the data are read"
    )
    command.add_argument(
        "--dataset", type=types.name, help="name of the entry in --config, or of the one that is printed"
    )


def add_reading_options(command: argparse.ArgumentParser) -> None:
    """Add the source and the options that say how it is read to a command."""
    command.add_argument("source", type=types.source_path, metavar="DATA", help="folder of images and labels")
    command.add_argument(
        "--classes", type=types.text_line, metavar="A,B", help="class names of the ids 0, 1, …, separated by commas"
    )
    command.add_argument(
        "--map",
        type=types.text_line,
        action="append",
        metavar="KEY=CLASS",
        help="class of a value, a color #rrggbb or a name in the labels, such as 255=water; repeat it for each",
    )
    command.add_argument(
        "--label-map", type=types.source_path, metavar="FILE", help="table of classes and colors instead of --map"
    )
    command.add_argument(
        "--ignore", type=types.text_line, metavar="KEY,KEY", help="values, colors or names to ignore (default: 255)"
    )
    draw = "draw splits; by=sequence, by=folder or by=image says what stays together"
    command.add_argument("--split", type=types.text_line, metavar="val=0.15,test=0.15,seed=0", help=draw)
    command.add_argument("--layout", type=types.text_line, help="folders, voc, coco or labelme (default: detected)")
    command.add_argument("--images", type=types.text_line, help="folder of the images, below DATA")
    command.add_argument("--labels", type=types.text_line, help="folder of the labels, below DATA")
    command.add_argument(
        "--image-suffix", type=types.text_line, help="what the names of images end in, such as _leftImg8bit"
    )
    command.add_argument("--label-suffix", type=types.text_line, help="what the names of labels end in, such as _mask")
    command.add_argument("--orientation", choices=("upright", "raw"), help="what labels of turned images were drawn on")


def entry(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the dataset's entry that the options describe, with its name.

    Raises:
        UserError: An option is malformed.
    """
    changes = _changes(arguments)
    if arguments.config:
        config = settings.read_config(arguments.config)
        names = settings.dataset_names(config)
        if not arguments.dataset and len(names) > 1:
            raise UserError(f"{arguments.config} has the datasets {', '.join(names)}; choose one with --dataset")
        base = dict(settings.for_dataset(config, arguments.dataset or names[0])["dataset"])
        if base["type"] != "folder":
            raise UserError(f"dataset {base['name']} is of type {base['type']}, expected folder, that of your own data")
        merged = settings.merge(base, changes)
    else:
        name = arguments.dataset or re.sub(r"\W", "_", arguments.source.resolve().name, flags=re.ASCII) or "mydata"
        merged = {"name": name[:100], "type": "folder", "size": SIZE, **changes}
    checked = {key: value for key, value in merged.items() if key != "name" and value is not None}
    settings.complete({"datasets": {merged["name"]: checked | {"source": str(arguments.source)}}}, "options")
    return merged


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the keys of an entry that options set."""
    keys = ("images", "labels", "image_suffix", "label_suffix")
    layout = {key: getattr(arguments, key) for key in keys if getattr(arguments, key) is not None}
    if arguments.layout:
        layout["type"] = arguments.layout
    if arguments.map and arguments.label_map:
        raise UserError("expected --map or --label-map, found both; remove one")
    label_map = None if arguments.label_map is None else str(arguments.label_map)
    changes = {
        "classes": _listed(arguments.classes),
        "label_map": _pairs(arguments.map, "--map", "255=water") if arguments.map else label_map,
        "ignore": [int(key) if re.fullmatch(NUMBER, key) else key for key in _listed(arguments.ignore) or ()] or None,
        "split": _split(arguments.split) if arguments.split else None,
        "layout": layout or None,
        "orientation": arguments.orientation,
    }
    return {key: value for key, value in changes.items() if value is not None}


def _listed(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",")] if text else None


def _pairs(texts: list[str], option: str, example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not (key.strip() and separator and value.strip()):
            raise UserError(f"{option}: expected KEY=VALUE such as {example}, found {text}")
        if key.strip() in pairs:
            raise UserError(f"{option}: {key.strip()} is given twice; remove one")
        pairs[key.strip()] = value.strip()
    return pairs


def _split(text: str) -> dict[str, Any]:
    """Read `val=0.15,test=0.15,seed=0`."""
    values = _pairs(text.split(","), "--split", "val=0.15")
    return settings.typed(values)
