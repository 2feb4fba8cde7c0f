"""The manifest of a prepared dataset, `dataset.json`, and the class weights computed from it."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json
from ssr_mmseg.utils.safe_parsing import ParseError, parse_json

NAME = "dataset.json"
KEYS = ("dataset", "type", "root", "classes", "palette", "size", "splits", "source", "digest", "notes", "warnings")


def read_manifest(path: Path) -> dict:
    """Read the manifest that `prepare` wrote.

    Raises:
        UserError: The file is missing, is not a valid manifest, or its data no longer exist.
    """
    if not path.is_file():
        raise UserError(f"{path} not found: the dataset is not prepared; run: snakemake --cores all {path}")
    manifest = read_json(path)
    _check(manifest, str(path), "prepare the dataset again")
    if not Path(manifest["root"]).is_dir():
        raise UserError(
            f"the data of {manifest['dataset']} are missing: {manifest['root']} is not a folder; "
            f"restore it, or delete {path} and prepare the dataset again"
        )
    return manifest


def write_manifest(path: Path, manifest: dict) -> None:
    """Write a manifest that `read_manifest` accepts.

    Raises:
        UserError: It would not, because of a setting or a name in the data, or the file cannot be written.
    """
    origin, remedy = f"the manifest of {manifest['dataset']}", "change what it comes from: settings, or names of files"
    try:
        manifest = parse_json(json.dumps(manifest, allow_nan=False).encode())
    except ParseError as error:
        raise UserError(f"{origin} cannot be read ({error}); {remedy}") from error
    _check(manifest, origin, remedy)
    write_json(path, manifest)


def _check(manifest: Any, origin: str, remedy: str) -> None:
    """Refuse what is not a manifest."""
    missing = [key for key in KEYS if not isinstance(manifest, dict) or key not in manifest]
    if missing:
        raise UserError(f"{origin} is not a dataset manifest: {', '.join(missing)} missing; {remedy}")
    json_schema.check(manifest, "results/dataset", origin, remedy)
    classes, splits = len(manifest["classes"]), manifest["splits"]
    lengths = [
        len(counts) for split in splits.values() if split for counts in (split["pixels"], split["pixels_eighth"])
    ]
    if len(manifest["palette"]) != classes or any(length != classes for length in lengths):
        raise UserError(f"{origin} has {classes} classes but a palette or pixel counts of another length; {remedy}")


def class_weights(manifest: dict, at: Literal["full", "eighth"], splits: Sequence[str]) -> list[float]:
    """Compute the class weights of the cross-entropy, 1 / ln(c + frequency), as in the paper's released code.

    The frequency is a class's share of the labeled pixels of the training `splits`, at the resolution of the labels in
    the loss; c is 1.10 at full size and 1.20 at 1/8. A class without pixels has the largest weight, 1 / ln(c).

    Raises:
        UserError: No pixel of `splits` is labeled.
    """
    key, constant = {"full": ("pixels", 1.10), "eighth": ("pixels_eighth", 1.20)}[at]
    counts = [sum(pixels) for pixels in zip(*(manifest["splits"][split][key] for split in splits), strict=True)]
    total = sum(counts)
    if total == 0:
        raise UserError(f"dataset {manifest['dataset']}: every training pixel is ignored; check its labels")
    return [1 / math.log(constant + count / total) for count in counts]
