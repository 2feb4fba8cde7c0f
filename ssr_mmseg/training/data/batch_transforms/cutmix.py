"""CutMix of a batch (Yun et al., 2019; for segmentation as in French et al., 2020)."""

import numpy as np
import torch
from torch import Tensor

from ssr_mmseg.training.data.batch_transforms.base import BATCH_TRANSFORMS, BatchTransform


@BATCH_TRANSFORMS.register_module()
class CutMix(BatchTransform):
    """Paste a random rectangle of the batch's previous sample, image and labels, over each sample.

    Args:
        prob: Probability for each sample.
        low: Smallest share of the area that the rectangle covers.
        high: Largest share.
    """

    def __init__(self, prob: float = 0.5, low: float = 0.1, high: float = 0.5) -> None:
        self.prob, self.low, self.high = prob, low, high

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        used = generator.random() < self.prob
        share = generator.uniform(self.low, self.high)
        aspect = np.exp(generator.uniform(-0.5, 0.5))  # aspect ratio of the rectangle relative to the image's
        box = []
        for side, part in zip(size, (np.sqrt(share * aspect), np.sqrt(share / aspect)), strict=True):
            length = min(side, round(side * part))
            start = int(generator.integers(0, side - length + 1))
            box += [start, start + (length if used else 0)]
        return np.array(box, dtype=float)

    def apply(self, images: Tensor, labels: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        top, bottom, left, right = parameters.unsqueeze(-1).unbind(dim=1)  # (B, 1) each
        rows = torch.arange(images.shape[2], device=images.device)
        columns = torch.arange(images.shape[3], device=images.device)
        inside = ((rows >= top) & (rows < bottom)).unsqueeze(2) & ((columns >= left) & (columns < right)).unsqueeze(1)
        mixed = torch.where(inside.unsqueeze(1), images.roll(1, dims=0), images)
        return mixed, torch.where(inside, labels.roll(1, dims=0), labels)
