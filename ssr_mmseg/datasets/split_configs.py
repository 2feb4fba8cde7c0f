"""From a dataset's settings to one mmengine dataset dict per split."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from mmengine.config import Config

from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError

SPLITS = ("train", "val", "test")
FOLDER = "config/mmseg/datasets"


def available_types() -> list[str]:
    """Names of all dataset types, of the working directory and of the project."""
    roots = (Path(), paths.PROJECT)
    return sorted({file.stem for root in roots for file in (root / FOLDER).glob("*.py")})


def type_module(kind: str) -> ModuleType | None:
    """The module of a dataset type, or None for a type that needs nothing beyond its mmengine config.

    Such a module names the keys of `options` that it knows in OPTIONS, and defines what it needs of:
    `acquire(settings, out) -> Path` yields the data's folder in place of the source;
    `configure(settings, root, splits) -> splits` completes the dataset dicts of the splits;
    `complete(root, splits)` makes files that the source may lack;
    `check(settings, checked) -> notes` judges the verified pairs of each split and raises `UserError`.
    """
    name = f"ssr_mmseg.datasets.{kind}"
    if importlib.util.find_spec(name) is None:
        return None
    module = importlib.import_module(name)
    return module if hasattr(module, "OPTIONS") else None


def read_splits(kind: str) -> dict[str, dict | None]:
    """Read `config/mmseg/datasets/<kind>.py`: a dataset dict for train and val, and one or None for test.

    Raises:
        UserError: there is no such type, or its file does not hold those dicts.
    """
    known = available_types()
    if kind not in known:
        raise UserError(f"unknown dataset type {kind!r}: there is no {FOLDER}/{kind}.py; available: {', '.join(known)}")
    file = paths.project_file(f"{FOLDER}/{kind}.py")
    try:
        config = Config.fromfile(file).to_dict()
    except Exception as error:  # the file is Python: it may raise anything
        raise UserError(f"{file} is not a valid mmengine config: {error}") from error
    for split in SPLITS:
        if split not in config:
            raise UserError(f"{file} does not define {split}; expected dataset dicts train, val and test")
        value = config[split]
        if value is None and split == "test":
            continue
        if not isinstance(value, dict) or "type" not in value or "data_prefix" not in value:
            raise UserError(f"{file}: {split} must be a dict with type and data_prefix, found {value!r}")
        set_elsewhere = sorted({"data_root", "pipeline"} & set(value))
        if set_elsewhere:
            raise UserError(f"{file}: remove {', '.join(set_elsewhere)} from {split}; the project sets them itself")
    return {split: config[split] for split in SPLITS}


def split_configs(settings: dict, root: Path) -> dict[str, dict | None]:
    """Dataset dicts of the three splits: complete but for the pipeline.

    Args:
        settings: the dataset's entry of the experiment's configuration.
        root: folder of the data, as `root` in its manifest.

    Returns:
        mmengine dicts by split; test is None where there are no labels for it.

    Raises:
        UserError: the type is unknown, its file is unsound, or the settings do not fit the type.
    """
    kind = settings["type"]
    splits = {
        name: None if split is None else {**split, "data_root": str(root)} for name, split in read_splits(kind).items()
    }
    configure = getattr(type_module(kind), "configure", None)
    if configure is not None:
        return configure(settings, root, splits)
    fixed = [key for key in ("classes", "palette", "ignore") if settings.get(key)]
    if fixed:
        raise UserError(f"dataset {settings['name']}: {', '.join(fixed)} cannot be set for type {kind}; remove the key")
    return splits
