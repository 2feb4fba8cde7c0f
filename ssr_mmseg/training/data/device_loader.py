"""Loader of a training set kept on the device and augmented there, without loader processes or copies of images.

A batch depends only on the seed and its position in the training, as with `SeededDataset`; its pixels differ from those
of that dataset, because the random draws do.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from mmengine.registry import Registry
from mmengine.structures import PixelData
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch import Tensor

from ssr_mmseg.training.data.batch_transforms import build_transforms
from ssr_mmseg.training.data.batch_transforms.geometry import GeometricTransform, compose, resample
from ssr_mmseg.training.data.seeded_dataset import PositionSampler

LOADERS = Registry("data loader")

DECODERS = 8  # threads that decode the files once, at the start


@LOADERS.register_module()
class ResidentLoader:
    """Batches of a dataset whose images and labels are all on `device`, as uint8.

    In an mmengine config, for the loops of this project, it replaces a `torch.utils.data.DataLoader`:
    `train_dataloader = dict(type="ResidentLoader", batch_size=16, augmentation=[…], dataset=…)`. It has `sampler`,
    `batch_size`, a length, and can be iterated over. A batch has `inputs` (B, 3, H, W), float, 0 to 255, in BGR order,
    and `data_samples`, a list of `SegDataSample` with int64 labels (1, H, W).

    Args:
        dataset: An mmseg dataset, or its config, whose pipeline resizes every image to one size.
        batch_size: Images of this process's batch; an incomplete last one is dropped.
        augmentation: Configs of batch transforms (`ssr_mmseg/training/data/batch_transforms/`).
        seed: Seed of order and augmentation; set by the loop.
        device: Device that holds the data; set by the loop.
        indices: The samples to use; all of them by default.
        fill: Color of pixels outside the images, in BGR order; the loop sets the mean that the network subtracts.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        augmentation: Sequence[dict] = (),
        seed: int = 0,
        device: torch.device | str = "cpu",
        indices: Sequence[int] | None = None,
        fill: Tensor | Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        self.source = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.indices = list(range(len(self.source))) if indices is None else list(indices)
        self.batch_size, self.seed, self.device = batch_size, seed, torch.device(device)
        self.transforms = build_transforms(augmentation)
        with ThreadPoolExecutor(DECODERS) as pool:  # decoding releases the GIL
            samples = list(pool.map(self.source.__getitem__, self.indices))
        self.images = torch.stack([sample["inputs"] for sample in samples]).to(self.device)  # (N, 3, H, W), uint8
        labels = torch.cat([sample["data_samples"].gt_sem_seg.data for sample in samples])
        self.labels = labels.to(torch.uint8).to(self.device)  # (N, H, W)
        self.fill = torch.as_tensor(fill).to(self.device)
        self.dataset = self.source
        self.sampler = PositionSampler(self.indices, seed, batch_size)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size

    def __iter__(self) -> Iterator[dict]:
        positions = list(self.sampler)
        for first in range(0, len(positions) - self.batch_size + 1, self.batch_size):
            yield self.batch(positions[first : first + self.batch_size])

    def batch(self, positions: Sequence[int]) -> dict[str, Any]:
        """Return the batch of the given positions (epoch · n + index)."""
        images, labels = self._augmented(positions)
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label.unsqueeze(0))) for label in labels]
        return {"inputs": images, "data_samples": samples}

    def _augmented(self, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        origins = [divmod(position, len(self.indices)) for position in positions]
        generators = [np.random.default_rng((self.seed, epoch, self.indices[index])) for epoch, index in origins]
        size = (int(self.images.shape[2]), int(self.images.shape[3]))
        chosen = self._to_device(np.array([index for _, index in origins]))
        images, labels = self.images[chosen], self.labels[chosen]
        pending = (
            None  # composition of the geometric transforms since the last other one: pixels are sampled once for all
        )
        for transform in self.transforms:
            drawn = np.stack([transform.draw(generator, size) for generator in generators])
            if isinstance(transform, GeometricTransform):
                pending = drawn if pending is None else compose(pending, drawn)
                continue
            if pending is not None:
                images, labels = resample(images, labels, self._parameters(pending), self.fill)
                pending = None
            images, labels = transform.apply(images.float(), labels.long(), self._parameters(drawn))
        if pending is not None:
            images, labels = resample(images, labels, self._parameters(pending), self.fill)
        return images.float(), labels.long()

    def _parameters(self, values: np.ndarray) -> Tensor:
        return self._to_device(values.astype(np.float32))

    def _to_device(self, values: np.ndarray) -> Tensor:
        """Copy an array to the device without synchronizing with the GPU."""
        tensor = torch.from_numpy(values)
        if self.device.type == "cuda":  # a copy from pageable memory would synchronize
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)
