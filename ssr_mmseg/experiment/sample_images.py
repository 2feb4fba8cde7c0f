"""Sample images of a dataset, preprocessed for its networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from ssr_mmseg.experiment.experiment import Experiment


def sample_images(experiment: Experiment, segmentor: BaseModel, split: str, count: int) -> Tensor:
    """Load `count` evenly spaced images of a split, resized and normalized: (count, 3, H, W), on the CPU.

    If the split has fewer images, they repeat.
    """
    dataset: Any = experiment.evaluation_loader(split).dataset
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()
    samples = [dataset[index] for index in indices]
    data = {"inputs": [sample["inputs"] for sample in samples], "data_samples": [s["data_samples"] for s in samples]}
    images = segmentor.data_preprocessor(data, False)["inputs"].cpu()
    return images[torch.arange(count) % len(images)]


def resize_images(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resize images (N, 3, H, W) to `size` (height, width)."""
    return F.interpolate(images, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
