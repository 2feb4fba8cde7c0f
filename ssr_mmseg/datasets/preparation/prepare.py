"""Prepare a dataset: get it, verify every image/label pair, measure its classes and write its manifest last."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS

from ssr_mmseg.datasets.preparation import source
from ssr_mmseg.datasets.preparation.manifest import NAME
from ssr_mmseg.datasets.preparation.verify import IGNORED, INVALID, CheckedPair, check_pairs
from ssr_mmseg.datasets.split_configs import read_splits, split_configs, type_module
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json


def prepare(settings: dict, out: Path) -> None:
    """Prepare the dataset of `settings` and write `out / "dataset.json"`, whose absence marks an unprepared one.

    Data that are rendered or unpacked go to `out / "data"`; a user's folder stays where it is.

    Args:
        settings: the dataset's entry of the experiment's configuration.
        out: the stage's output folder.

    Raises:
        UserError: the settings, the source or any file of the dataset is unsound.
    """
    out = Path(out)
    remove_file(out / NAME)
    prefix = read_splits(settings["type"])["train"]["data_prefix"]  # type: ignore[index]  # only test may be None
    _check_options(settings)
    acquire = getattr(type_module(settings["type"]), "acquire", None)
    if acquire is not None:
        root = acquire(settings, out)
    else:
        root = source.find_root(source.obtain(settings, out), [prefix["img_path"], prefix["seg_map_path"]])
    splits = split_configs(settings, root)
    hook(settings, "complete")(root, splits)
    built = {split: _build(settings, config, root) for split, config in splits.items() if config is not None}
    classes = list(built["train"].metainfo["classes"])
    checked = {
        split: check_pairs(_pairs(dataset, split, root), label_table(dataset), len(classes), settings["size"])
        for split, dataset in built.items()
    }
    notes = [*_shared_frames(checked), *hook(settings, "check")(settings, checked)]
    if splits["test"] is None:
        notes.append("no labelled test split: results are measured on val")
    manifest = {
        "dataset": settings["name"],
        "type": settings["type"],
        "root": _portable(root),
        "classes": classes,
        "palette": [[int(channel) for channel in color] for color in built["train"].metainfo["palette"]],
        "size": list(settings["size"]),
        "splits": {split: _summary(checked[split]) if split in checked else None for split in splits},
        "digest": files_digest(checked, root),
        "notes": notes,
    }
    write_json(out / NAME, manifest)


def hook(settings: dict, name: str):
    """A function of the dataset type's module (`configs.type_module`), or one that does nothing."""
    return getattr(type_module(settings["type"]), name, lambda *_: [])


def remove_file(path: Path) -> None:
    """Remove a file if it is there.

    Raises:
        UserError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"could not remove {path}: {error.strerror}; choose a writable folder") from error


def label_table(dataset) -> np.ndarray:
    """What mmseg's `LoadAnnotations` makes of each label value: (256,), a class, IGNORED or INVALID.

    255 counts as ignored unless the dataset says otherwise by an attribute `ignore`.
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
    known = source.OPTIONS | (module.OPTIONS if module else frozenset())
    unknown = sorted(set(settings.get("options") or {}) - known)
    if unknown:
        raise UserError(
            f"dataset {settings['name']}: unknown options {', '.join(unknown)}; "
            f"type {settings['type']} knows {', '.join(sorted(known))}"
        )


def _build(settings: dict, config: dict, root: Path):
    """The mmseg dataset of a split, without its list of files."""
    for prefix in config["data_prefix"].values():
        if not (root / prefix).is_dir():
            raise UserError(f"dataset {settings['name']}: the folder {root / prefix} is missing; see docs/datasets.md")
    try:
        return DATASETS.build({**config, "lazy_init": True, "pipeline": []})
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"dataset {settings['name']}: mmseg cannot build {config['type']}: {error}") from error


def _pairs(dataset, split: str, root: Path) -> list[tuple[Path, Path]]:
    """The split's pairs as mmseg lists them.

    Raises:
        UserError: there are none, or an image or a label is without its counterpart.
    """
    pairs = [(Path(item["img_path"]), Path(item["seg_map_path"])) for item in dataset.load_data_list()]
    images, labels = (Path(dataset.data_prefix[key]) for key in ("img_path", "seg_map_path"))
    if not pairs:
        raise UserError(f"split {split} of {root} is empty: {images} holds no image; see docs/datasets.md")
    for image, label in pairs:
        if not label.is_file():
            raise UserError(f"image {image} has no label {label}; add it or remove the image")
    if not dataset.ann_file:  # a list may leave files out on purpose
        used = {label for _, label in pairs}
        for label in sorted(labels.rglob(f"*{dataset.seg_map_suffix}")):
            if label not in used and not label.name.startswith("."):
                raise UserError(f"label {label} has no image in {images}; add it or remove the label")
    return pairs


def _summary(pairs: list[CheckedPair]) -> dict:
    return {
        "images": len(pairs),
        "pixels": np.sum([pair.pixels for pair in pairs], axis=0).tolist(),
        "pixels_eighth": np.sum([pair.pixels_eighth for pair in pairs], axis=0).tolist(),
    }


def _shared_frames(checked: dict[str, list[CheckedPair]]) -> Iterable[str]:
    """A note for every two splits that share images, byte for byte: scores on them would flatter."""
    contents = {split: {pair.image_sha256 for pair in pairs} for split, pairs in checked.items()}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = len(contents.get(first, set()) & contents.get(second, set()))
        if shared:
            yield f"{shared} images are in both {first} and {second}"


def files_digest(checked: dict[str, list[CheckedPair]], root: Path) -> str:
    """SHA-256 over split, name relative to the root and SHA-256 of every file."""
    lines = []
    for split, pairs in checked.items():
        for pair in pairs:
            for file, digest in ((pair.image, pair.image_sha256), (pair.label, pair.label_sha256)):
                lines.append(f"{split} {Path(os.path.relpath(file, root)).as_posix()} {digest}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _portable(root: Path) -> str:
    """The path relative to the working directory if it lies below that, else absolute."""
    absolute = Path(os.path.abspath(root))
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)
