"""Build one mmengine dataset config per split from a dataset's settings."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.mmengine_config import read_mmengine_config

SPLITS = ("train", "val", "test")
OF_OWN_DATA = ("classes", "label_map", "palette", "ignore", "split", "tiles", "layout", "orientation")  # settings
FOLDER = "config/mmseg/_base_/datasets"


def available_types() -> list[str]:
    """List the dataset types of the working directory and of the project."""
    roots = (Path(), paths.PROJECT)
    return sorted({file.stem for root in roots for file in (root / FOLDER).glob("*.py")})


def type_module(dataset_type: str) -> ModuleType | None:
    """Import the module of a dataset type, or return None if the type has only its config file.

    See `ssr_mmseg/datasets/__init__.py` for what the module may define: `OPTIONS`, which is required, and the functions
    `acquire`, `configure`, `complete` and `check`. Importing the module also registers the dataset class in it.
    """
    name = f"ssr_mmseg.datasets.{dataset_type}"
    if importlib.util.find_spec(name) is None:
        return None
    module = importlib.import_module(name)
    return module if hasattr(module, "OPTIONS") else None


def read_splits(dataset_type: str) -> dict[str, dict | None]:
    """Return the dataset config of each split from `config/mmseg/_base_/datasets/<type>.py`, without its pipeline.

    The file is a dataset file as mmseg has them, with `train_dataloader`, `val_dataloader` and `test_dataloader`. If
    there is no test loader, or it reads val's folders, the test split has no labels: None.

    Raises:
        UserError: There is no such type, or its file does not define the loaders.
    """
    names = available_types()
    if dataset_type not in names:
        raise UserError(
            f"unknown dataset type {dataset_type!r}: {FOLDER}/{dataset_type}.py does not exist; "
            f"add it or choose one of: {', '.join(names)}"
        )
    file = paths.project_file(f"{FOLDER}/{dataset_type}.py")
    config = read_mmengine_config(file, str(file)).to_dict()
    splits: dict[str, dict | None] = {}
    for split in SPLITS:
        loader = config.get(f"{split}_dataloader")
        value = loader.get("dataset") if isinstance(loader, dict) else None
        if loader is None and split == "test":
            splits[split] = None
            continue
        if not isinstance(value, dict) or "type" not in value or "data_prefix" not in value:
            raise UserError(
                f"{file}: {split}_dataloader.dataset must be a dict with type and data_prefix, found {value!r}; "
                "see ssr_mmseg/datasets/__init__.py"
            )
        splits[split] = {key: item for key, item in value.items() if key not in ("data_root", "pipeline")}
    if splits["test"] == splits["val"]:
        splits["test"] = None
    return splits


def split_configs(settings: dict, root: Path) -> dict[str, dict | None]:
    """Build the dataset configs of the three splits, complete except for the pipeline.

    Args:
        settings: The dataset's entry in the experiment's configuration.
        root: Folder of the data, as in `root` of its manifest.

    Returns:
        mmengine configs by split; test is None if it has no labels.

    Raises:
        UserError: The type is unknown, its file is invalid, or the settings do not fit the type.
    """
    dataset_type = settings["type"]
    splits = {
        name: None if split is None else {**split, "data_root": str(root)}
        for name, split in read_splits(dataset_type).items()
    }
    configure = getattr(type_module(dataset_type), "configure", None)
    if configure is not None:
        return configure(settings, root, splits)
    fixed = [key for key in OF_OWN_DATA if settings.get(key) not in (None, "auto")]
    if fixed:
        raise UserError(
            f"dataset {settings['name']}: {', '.join(fixed)} cannot be set for type {dataset_type}; remove it"
        )
    return splits
