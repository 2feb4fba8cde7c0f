"""What the batched transforms have in common: parameters drawn per sample, applied to the whole batch at once.

A transform draws the parameters of one sample from that sample's own generator, on the CPU, as a few numbers. It
applies the parameters of a whole batch to tensors on the device. So the result does not depend on the device's
generator, and a sample's share of it not on the rest of the batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.registry import Registry
from mmseg.registry import TRANSFORMS
from torch import Tensor

from ssr_mmseg.utils.errors import UserError

BATCH_TRANSFORMS = Registry("batch transform")


class BatchTransform:
    """One step of the augmentation of a batch on its device."""

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """Parameters of one sample of `size` (height, width), a vector of floats."""
        raise NotImplementedError

    def apply(self, images: Tensor, labels: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Transform `images` (B, 3, H, W), 0 to 255, blue first, and `labels` (B, H, W), by `parameters` (B, k)."""
        raise NotImplementedError


def build_transforms(configs: Sequence[dict]) -> list[BatchTransform]:
    """The transforms of a schedule's `augmentation`, in its order.

    Raises:
        UserError: one of them exists for single images only, or has an argument that it does not know.
    """
    return [_build(**config) for config in configs]


def _build(type: str, **options: Any) -> BatchTransform:
    known = BATCH_TRANSFORMS.module_dict  # not `build`, which looks in mmseg's own registries first and says so
    if type not in known:
        raise UserError(
            f"augmentation {type} has no form for whole batches; use {', '.join(sorted(known))}, "
            "or set resident=False in the schedule's loader"
        )
    try:
        return known[type](**options)
    except TypeError as error:
        raise UserError(f"augmentation {type}: {error}; correct it in the schedule") from error


def check_single(configs: Sequence[dict]) -> None:
    """Check that the transforms of a schedule's `augmentation` can transform single images.

    Raises:
        UserError: one of them exists for whole batches only.
    """
    for config in configs:
        if TRANSFORMS.get(config["type"]) is None:
            raise UserError(
                f"augmentation {config['type']} has no form for single images; set resident=True in the schedule's "
                "loader, or use one of mmseg's transforms"
            )
