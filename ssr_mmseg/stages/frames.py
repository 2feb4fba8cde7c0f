"""Images of a dataset as its networks see them, and a backend in the place of a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.profiling import Backend


def real_frames(experiment: Experiment, segmentor: BaseModel, split: str, count: int) -> Tensor:
    """`count` images of a split, spread evenly over it, resized and normalised: (count, 3, H, W), on the CPU.

    They start over where the split has fewer.
    """
    dataset: Any = experiment.evaluation_loader(split).dataset
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()
    samples = [dataset[place] for place in places]
    data = {"inputs": [sample["inputs"] for sample in samples], "data_samples": [s["data_samples"] for s in samples]}
    images = segmentor.data_preprocessor(data, False)["inputs"].cpu()
    return images[torch.arange(count) % len(images)]


def resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """Images (N, 3, H, W) at another size (height, width)."""
    return F.interpolate(images, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)


class BackendSegmentor(nn.Module):
    """A segmentor whose logits a prepared backend computes, as `evaluate_model` takes it.

    Args:
        segmentor: normalises images and brings logits to the labels' size.
        backend: prepared for one image of the segmentor's input size.
    """

    def __init__(self, segmentor: BaseModel, backend: Backend) -> None:
        super().__init__()
        self.segmentor, self.backend = segmentor, backend

    def test_step(self, batch: dict) -> list:
        data = self.segmentor.data_preprocessor(batch, False)
        self.backend.load(data["inputs"].cpu())
        logits = self.backend.run().float().cpu()
        return self.segmentor.postprocess_result(logits, data["data_samples"])
