"""Prepare a dataset: obtain it, verify every image/label pair, count its classes, and write its manifest last."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS
from PIL import ImageOps

from ssr_mmseg.datasets.contact_sheet import Sample, contact_sheet, spread
from ssr_mmseg.datasets.image_files import open_image
from ssr_mmseg.datasets.importing.request import tiles_of
from ssr_mmseg.datasets.preparation import file_records, held_out, source
from ssr_mmseg.datasets.preparation.data_warnings import check_usable, data_warnings
from ssr_mmseg.datasets.preparation.manifest import NAME, write_manifest
from ssr_mmseg.datasets.preparation.split_summary import split_summary
from ssr_mmseg.datasets.preparation.verify import IGNORED, INVALID, CheckedPair, check_pairs
from ssr_mmseg.datasets.split_configs import read_splits, split_configs, type_module
from ssr_mmseg.settings import prepared_files
from ssr_mmseg.settings.paths import SAMPLES
from ssr_mmseg.settings.source_listing import source_listing
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.files import atomic_path, flush_folder
from ssr_mmseg.utils.plain_text import MAX_NAME, check_class_names, check_path

SAMPLES_PER_SPLIT = 2
FAULTS = (AssertionError, KeyError, OSError, TypeError, ValueError)  # of mmseg where it cannot read a dataset


def prepare(settings: dict, out: Path, made_from: dict | None = None) -> None:
    """Prepare the dataset of `settings` and write its manifest, `out / "dataset.json"`.

    A dataset without a manifest is not prepared. Rendered or unpacked data are written to `out / "data"`; a user's
    folder stays in place.

    Args:
        settings: The dataset's entry in the experiment's configuration.
        out: The stage's output folder.
        made_from: What the manifest says that it was made from.

    Raises:
        UserError: The settings, the source or any file of the dataset is invalid.
    """
    out = Path(out)
    for name in (NAME, Path(SAMPLES).name, prepared_files.NAME):
        remove_file(out / name)
    prefix = read_splits(settings["type"])["train"]["data_prefix"]  # type: ignore[index]  # only test may be None
    _check_options(settings)
    listing = source_listing(settings["type"], settings.get("source"))  # before reading: later changes count as such
    acquire = getattr(type_module(settings["type"]), "acquire", None)
    if acquire is not None:
        acquired = acquire(settings, out)
    else:
        folder = source.obtain(settings, out)
        acquired = source.Acquired(source.find_root(folder, [prefix["img_path"], prefix["seg_map_path"]]))
    root = acquired.root
    check_path(root, f"dataset {settings['name']}")
    splits = split_configs(settings, root)
    hook(settings, "complete")(root, splits)
    built = {split: _build(settings, config, root) for split, config in splits.items() if config is not None}
    classes = list(built["train"].metainfo.get("classes") or ())
    if not classes:
        raise UserError(
            f"dataset {settings['name']}: type {settings['type']} names no classes; add metainfo to its file"
        )
    check_class_names(classes, f"dataset {settings['name']}")
    pairs = {split: _pairs(dataset, split, root) for split, dataset in built.items()}
    before = file_records.states(file for found in pairs.values() for pair in found for file in pair)
    checked = {
        split: check_pairs(pairs[split], label_table(dataset), len(classes), settings["size"])
        for split, dataset in built.items()
    }
    notes = [*acquired.notes, *hook(settings, "check")(settings, checked)]
    shutil.rmtree(out / held_out.FOLDER, ignore_errors=True)  # of an earlier choice
    if settings.get("hold_out"):
        held = held_out.hold_out(settings, root, out / held_out.FOLDER, splits, checked)
        root, checked = out / held_out.FOLDER, held.pairs
        before = {link: before[file] for link, file in held.files.items()}
        splits = split_configs(settings, root)
        built = {split: _build(settings, config, root) for split, config in splits.items() if config is not None}
        notes.append(held_out.note(settings, len(checked["val"])))
    check_usable(settings["name"], classes, checked)
    folders = {split: Path(dataset.data_prefix["img_path"]) for split, dataset in built.items()}
    if splits["test"] is None:
        notes.append("no labeled test split: results are measured on val")
    palette = [[int(channel) for channel in color] for color in built["train"].metainfo["palette"]]
    write_samples(out / Path(SAMPLES).name, checked, label_table(built["train"]), classes, palette)
    tiles = tiles_of(settings)
    manifest = {
        "dataset": settings["name"],
        "type": settings["type"],
        "root": _portable(root),
        "classes": classes,
        "palette": palette,
        "size": list(settings["size"]),
        "tiles": None if tiles is None else {"size": list(tiles.size), "overlap": tiles.overlap},
        "splits": {split: split_summary(checked[split]) if split in checked else None for split in splits},
        "source": None if listing is None else listing.to_dict(),
        "digest": files_digest(checked, root),
        "files": prepared_files.write_records(out, file_records.records(checked, before, built, root)),
        "notes": [shortened(note) for note in notes],
        "warnings": [shortened(line) for line in data_warnings(classes, checked, folders, acquired.similar)],
        "made_from": made_from,
    }
    write_manifest(out / NAME, manifest)


def write_samples(
    path: Path, checked: dict[str, list[CheckedPair]], table: np.ndarray, classes: list[str], palette: list[list[int]]
) -> None:
    """Write a contact sheet of a few images of each split, each next to itself under its labels."""
    samples = []
    for split, pairs in checked.items():
        for position in spread(len(pairs), SAMPLES_PER_SPLIT):
            pair = pairs[position]
            photo = ImageOps.exif_transpose(open_image(pair.image))
            ids = table[np.asarray(open_image(pair.label)).astype(np.uint8)].astype(np.uint8)
            samples.append(Sample(f"{split}: {pair.image.stem}", photo, ids))
    with atomic_path(path) as temporary:
        contact_sheet(samples, classes, palette).save(temporary, "JPEG", quality=85)


def shortened(text: str) -> str:
    """Return a sentence of the manifest, which may quote names of any characters and length."""
    return one_line(text)[:MAX_NAME]


def hook(settings: dict, name: str):
    """Return a function of the dataset type's module (see `ssr_mmseg.datasets`), or one that does nothing."""
    return getattr(type_module(settings["type"]), name, lambda *_: [])


def remove_file(path: Path) -> None:
    """Remove a file if it exists, for good: it is not back after a loss of power.

    Raises:
        UserError: The file cannot be removed.
    """
    try:
        path.unlink()
        flush_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"could not remove {path}: {error.strerror}; choose a writable folder") from error


def label_table(dataset) -> np.ndarray:
    """Return the result of mmseg's `LoadAnnotations` for each label value, (256,): a class, IGNORED or INVALID.

    The value 255 is ignored unless the dataset has an attribute `ignore` without it.
    """
    classes = len(dataset.metainfo["classes"])
    mapped = np.arange(256)
    if dataset.reduce_zero_label:
        mapped = np.where((mapped == 0) | (mapped == 255), IGNORED, mapped - 1)
    table = mapped.copy()
    for old, new in (dataset.label_map or {}).items():
        table[mapped == old] = new
    remapped = table != np.arange(256)
    ignored = (table == IGNORED) & (remapped | np.isin(np.arange(256), getattr(dataset, "ignore", (IGNORED,))))
    return np.where(ignored | ((table >= 0) & (table < classes)), table, INVALID)


def _check_options(settings: dict) -> None:
    module = type_module(settings["type"])
    names = source.OPTIONS | (module.OPTIONS if module else frozenset())
    unknown = sorted(set(settings.get("options") or {}) - names)
    if "reduce_zero_label" in unknown:
        raise UserError(
            f"dataset {settings['name']}: reduce_zero_label is no option, because it also turns every 255 into 254 or "
            "hides it; say what values mean: ignore: [0] and label_map: {1: FIRST CLASS, …}"
        )
    if unknown:
        raise UserError(
            f"dataset {settings['name']}: unknown options {', '.join(unknown)}; "
            f"type {settings['type']} has the options {', '.join(sorted(names))}"
        )


def _build(settings: dict, config: dict, root: Path):
    """Build the mmseg dataset of a split, without its list of files."""
    for prefix in config["data_prefix"].values():
        if not (root / prefix).is_dir():
            raise UserError(f"dataset {settings['name']}: the folder {root / prefix} is missing; see docs/datasets.md")
    try:
        return DATASETS.build({**config, "lazy_init": True, "pipeline": []})
    except FAULTS as error:
        raise UserError(f"dataset {settings['name']}: mmseg cannot build {config['type']}: {error}") from error


def _pairs(dataset, split: str, root: Path) -> list[tuple[Path, Path]]:
    """List the image/label pairs of a split as mmseg does.

    Raises:
        UserError: There are none, they cannot be listed, or an image or a label has no counterpart.
    """
    try:
        pairs = [(Path(item["img_path"]), Path(item["seg_map_path"])) for item in dataset.load_data_list()]
    except UserError:
        raise
    except FAULTS as error:
        raise UserError(f"split {split} of {root} cannot be listed: {error}; see docs/datasets.md") from error
    images, labels = (Path(dataset.data_prefix[key]) for key in ("img_path", "seg_map_path"))
    if not pairs:
        raise UserError(f"split {split} of {root} is empty: {images} contains no images; see docs/datasets.md")
    for image, label in pairs:
        for file in (image, label):
            check_path(file, f"split {split}")
        if not label.is_file():
            raise UserError(f"image {image} has no label {label}; add it or remove the image")
    if not dataset.ann_file:  # a list of files may omit some on purpose
        used = {label for _, label in pairs}
        for label in sorted(labels.rglob(f"*{dataset.seg_map_suffix}")):
            if label not in used and not label.name.startswith("."):
                raise UserError(f"label {label} has no image in {images}; add it or remove the label")
    return pairs


def files_digest(checked: dict[str, list[CheckedPair]], root: Path) -> str:
    """Return a SHA-256 over the split, the path relative to the root and the SHA-256 of every file."""
    lines = []
    for split, pairs in checked.items():
        for pair in pairs:
            for file, digest in ((pair.image, pair.image_sha256), (pair.label, pair.label_sha256)):
                lines.append(f"{split} {Path(os.path.relpath(file, root)).as_posix()} {digest}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _portable(root: Path) -> str:
    """Return the path relative to the working directory if it is below it, otherwise the absolute path."""
    absolute = Path(os.path.abspath(root))
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)
