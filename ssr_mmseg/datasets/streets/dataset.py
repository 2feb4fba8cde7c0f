"""The `streets` dataset: street scenes with CamVid's 11 classes, rendered locally instead of downloaded."""

from pathlib import Path
from typing import ClassVar

from mmseg.registry import DATASETS
from PIL import Image

from ssr_mmseg.datasets.base import PairedDataset
from ssr_mmseg.datasets.camvid import CLASSES, PALETTE
from ssr_mmseg.datasets.preparation.source import Acquired
from ssr_mmseg.datasets.split_configs import SPLITS
from ssr_mmseg.datasets.streets.renderer import render_scene
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.errors import UserError

DEFAULTS = {"train": 192, "val": 48, "test": 48, "seed": 0}
OPTIONS = frozenset(DEFAULTS)


@DATASETS.register_module()
class StreetsDataset(PairedDataset):
    """Rendered scenes with CamVid's classes and palette."""

    METAINFO: ClassVar = {"classes": CLASSES, "palette": PALETTE}


def acquire(settings: dict, out: Path) -> Acquired:
    """Render the frames of all splits to `out / "data"`, at the configured size.

    Split k (0, 1, 2) renders the scenes 3i + k, so no scene is in two splits and a split's number of frames does not
    affect the other splits.

    Raises:
        UserError: An option is not a valid integer, or the folder cannot be written.
    """
    options = DEFAULTS | (settings.get("options") or {})
    for key, value in options.items():
        least = 0 if key == "seed" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(
                f"dataset {settings['name']}: options.{key} must be an integer, at least {least}, not {value!r}"
            )
    height, width = settings["size"]
    with staged_folder(out / "data") as folder:
        for k, split in enumerate(SPLITS):
            for kind in ("images", "labels"):
                (folder / split / kind).mkdir(parents=True)
            for i in range(options[split]):
                image, label = render_scene(options["seed"], len(SPLITS) * i + k, (height, width))
                Image.fromarray(image).save(folder / split / "images" / f"{i:05d}.png")
                Image.fromarray(label).save(folder / split / "labels" / f"{i:05d}.png")
    return Acquired(out / "data")
