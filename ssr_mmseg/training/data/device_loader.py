"""A training set that lives on the device, augmented there batch by batch: no loader process, no copy of images.

A batch follows from the seed and its position in the training alone, as with the loaders of `data.py`; the pixels
differ from theirs, since the draws do.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch import Tensor

from ssr_mmseg.training.data import color_jitter, cutmix  # noqa: F401  # they register themselves
from ssr_mmseg.training.data.batch_transform import build_transforms
from ssr_mmseg.training.data.geometry import GeometricTransform, compose, resample
from ssr_mmseg.training.data.seeded_dataset import PositionSampler
from ssr_mmseg.utils.errors import UserError

DECODERS = 8  # threads that read the files once, at the start


class ResidentLoader:
    """Batches of a dataset whose images and labels, uint8, lie on `device` as a whole.

    It takes the place of a `torch.utils.data.DataLoader`: `sampler`, `batch_size`, `len` and iteration. A batch is
    `inputs` (B, 3, H, W), float, 0 to 255, blue first, beside a list of `SegDataSample` with int64 labels (1, H, W).

    Args:
        dataset: Config of an mmseg dataset whose pipeline gives every image one size.
        batch_size: Images of this process's batch; an incomplete last one is dropped.
        seed: Seed of order and augmentation.
        device: Where the data live.
        augmentation: Configs of batched transforms.
        indices: The samples to use; all of them by default.
        fill: Colour outside the images, blue first.
    """

    def __init__(
        self,
        dataset: dict,
        batch_size: int,
        seed: int,
        device: torch.device,
        augmentation: Sequence[dict] = (),
        indices: Sequence[int] | None = None,
        fill: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        self.source = DATASETS.build(dataset)
        self.indices = list(range(len(self.source))) if indices is None else list(indices)
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.transforms = build_transforms(augmentation)
        with ThreadPoolExecutor(DECODERS) as pool:  # decoding releases the interpreter's lock
            samples = list(pool.map(self.source.__getitem__, self.indices))
        self.images = torch.stack([sample["inputs"] for sample in samples]).to(device)  # (N, 3, H, W), uint8
        labels = torch.cat([sample["data_samples"].gt_sem_seg.data for sample in samples])
        self.labels = labels.to(torch.uint8).to(device)  # (N, H, W)
        self.fill = torch.tensor(fill, device=device)
        self.dataset = self.source
        self.sampler = PositionSampler(self.indices, seed, batch_size)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size

    def __iter__(self) -> Iterator[dict]:
        positions = list(self.sampler)
        for first in range(0, len(positions) - self.batch_size + 1, self.batch_size):
            yield self.batch(positions[first : first + self.batch_size])

    def batch(self, positions: Sequence[int]) -> dict[str, Any]:
        """The batch of the given positions (epoch · n + index)."""
        images, labels = self._augmented(positions)
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label.unsqueeze(0))) for label in labels]
        return {"inputs": images, "data_samples": samples}

    def _augmented(self, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        places = [divmod(position, len(self.indices)) for position in positions]
        generators = [np.random.default_rng((self.seed, epoch, self.indices[index])) for epoch, index in places]
        size = (int(self.images.shape[2]), int(self.images.shape[3]))
        chosen = self._to_device(np.array([index for _, index in places]))
        images, labels = self.images[chosen], self.labels[chosen]
        pending = None  # geometric maps not applied yet: pixels are read once for as many as follow each other
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
        """A copy that does not make the CPU wait for the work that the GPU still has to do."""
        tensor = torch.from_numpy(values)
        if self.device.type == "cuda":  # from other memory a copy waits after all
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def resident_config(
    dataset: dict, batch_size: int, schedule: Any, indices: Sequence[int] | None, transforms: Sequence[dict] = ()
) -> dict:
    """Config of a `ResidentLoader`, for `build_loader`; `transforms` are what a network itself asks for.

    Raises:
        UserError: the schedule's augmentation or the network has a transform without a form for batches.
    """
    if transforms:
        raise UserError(
            f"the network's own transform {transforms[0]['type']} has no form for batches on the device; set "
            "resident=False in the schedule's loader, or leave the network out"
        )
    build_transforms(schedule["augmentation"])
    return {
        "resident": True,
        "batch_size": batch_size,
        "dataset": dataset,
        "augmentation": schedule["augmentation"],
        "indices": indices,
        "fill": schedule["normalisation"]["mean"][::-1],
    }


def build_loader(config: Any, seed: int, device: torch.device) -> Any:
    """A `ResidentLoader` where the config says `resident`, else what mmengine builds.

    Args:
        config: The loader's config; a seed in it comes before `seed`.
    """
    if isinstance(config, dict) and config.get("resident"):
        options = {key: value for key, value in config.items() if key != "resident"}
        return ResidentLoader(**{"seed": seed, **options}, device=device)
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "resident"}
    return Runner.build_dataloader(config, seed=seed)
