"""Interface of batch transforms: parameters drawn per sample, applied to the whole batch at once.

The parameters of a sample are a few numbers, drawn on the CPU from that sample's own generator; those of a whole batch
are applied to tensors on the device. So neither the device's generator nor the rest of the batch affects how a sample
is transformed.
"""

from abc import ABC, abstractmethod

import numpy as np
from mmengine.registry import Registry
from torch import Tensor

BATCH_TRANSFORMS = Registry("batch transform")


class BatchTransform(ABC):
    """One step of the augmentation of a batch on its device."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """Draw the parameters of one sample of `size` (height, width), a vector of floats."""

    @abstractmethod
    def apply(self, images: Tensor, labels: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Transform `images` (B, 3, H, W), 0 to 255, in BGR order, and `labels` (B, H, W), by `parameters` (B, k)."""
