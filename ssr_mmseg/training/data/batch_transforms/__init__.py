"""Augmentations of whole batches on the device, for `train_dataloader = dict(type="ResidentLoader", …)`; one file each.

To add one, put a file here with a `BatchTransform` under `@BATCH_TRANSFORMS.register_module()`; the loader's
`augmentation` then names it as `type`. An augmentation that exists for single images too, among mmseg's `TRANSFORMS`,
has the same name in both registries: in a pipeline it transforms single images, in `augmentation` batches.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.registry import TRANSFORMS

from ssr_mmseg.training.data.batch_transforms.base import BATCH_TRANSFORMS, BatchTransform
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import build, import_modules

__all__ = ["BATCH_TRANSFORMS", "BatchTransform", "build_transforms"]

import_modules(__path__, __name__)


def build_transforms(configs: Sequence[Mapping[str, Any]]) -> list[BatchTransform]:
    """Build the transforms of a loader's `augmentation`, in its order.

    Raises:
        UserError: A name or an argument is unknown, or a transform exists for single images only.
    """
    names = BATCH_TRANSFORMS.module_dict
    for name in (config.get("type") for config in configs):
        if isinstance(name, str) and name not in names and TRANSFORMS.get(name):
            raise UserError(
                f"augmentation {name} transforms single images only; use {', '.join(sorted(names))}, or put it into "
                "the pipeline of a train_dataloader without the type ResidentLoader"
            )
    return [build(BATCH_TRANSFORMS, config, "augmentation") for config in configs]
