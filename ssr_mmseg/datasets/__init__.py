"""Datasets: importing this package registers the project's own ones with mmseg's `DATASETS`.

A dataset type is `config/mmseg/datasets/<type>.py`: one mmseg dataset config per split. A type that needs more than
mmseg's own class has a module here of the same name (see `configs.type_module`).
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
