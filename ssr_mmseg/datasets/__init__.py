"""Datasets, and how to add a type of dataset.

**A dataset that mmseg can read** needs one file, `config/mmseg/_base_/datasets/<type>.py`, in the working directory or
in the project: a dataset file as mmseg has them, such as this one, which takes mmseg's own as its base:

    _base_ = ["mmseg::_base_/datasets/potsdam.py"]

The project reads the dataset of its `train_dataloader`, `val_dataloader` and `test_dataloader`: the class, its
arguments, and the folders in `data_prefix`, relative to the data's root, which is the folder that contains both folders
of `train`: the dataset's `source`, or a folder up to three levels below it. Without a `test_dataloader`, or with val's
folders in it, the test split has no labels; results are then measured on `val`. Pipelines and batch sizes count where
the file is a base of a config that `search.config` or `retrain.config` names.

**A dataset class of your own** is registered with mmseg's `DATASETS`, most easily as a subclass of `PairedDataset`
(`base.py`). If it is in an importable module outside the project, the config file imports it:

    custom_imports = dict(imports=["my_module"])

**A type that must be rendered, completed or checked** also has a module `ssr_mmseg/datasets/<type>.py`, which may
define the class too. It must define `OPTIONS`. The functions are optional; `prepare` calls them in this order:

    OPTIONS: frozenset[str]
        The keys of the dataset's `options` that the module reads, besides `sha256`, `max_bytes` and `max_files`, which
        apply to the source. `prepare` rejects other keys.

    acquire(settings: dict, out: Path) -> Acquired
        Create the data in `out / "data"`, for example by rendering them, and return their root and notes for the
        manifest (`preparation/source.py`). Without `acquire`, the data come from `source`: a folder, an archive or an
        https URL.

    configure(settings: dict, root: Path, splits: dict[str, dict | None]) -> dict[str, dict | None]
        Return the complete dataset configs of the splits, for example with class names from the settings. Every stage
        that reads the dataset calls it, so it must be fast and must not write. Without `configure`, the settings
        `classes`, `palette` and `ignore` are rejected for this type.

    complete(root: Path, splits: dict[str, dict | None]) -> None
        Write files that the source lacks, for example label maps drawn from polygons.

    check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]
        Inspect the verified image/label pairs of each split (`preparation/verify.py`), and return notes for the
        manifest.

`settings` is the dataset's entry in the experiment's configuration together with its `name`; `root` is the folder of
the data; `splits` has the keys `train`, `val` and `test`. Each function raises `UserError` if it cannot accept the data
or the settings.

Complete examples: `camvid.py` (a class and a check), `cityscapes.py` (missing labels are drawn), `folder.py` (classes
from the settings) and `streets/` (rendered data).
"""

from ssr_mmseg.datasets.camvid import CamVidDataset
from ssr_mmseg.datasets.folder import FolderDataset
from ssr_mmseg.datasets.preparation.manifest import class_weights, read_manifest
from ssr_mmseg.datasets.split_configs import split_configs
from ssr_mmseg.datasets.streets.dataset import StreetsDataset

__all__ = [
    "CamVidDataset",
    "FolderDataset",
    "StreetsDataset",
    "class_weights",
    "read_manifest",
    "split_configs",
]
