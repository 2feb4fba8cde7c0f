"""Dataloader configs for the splits of a prepared dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmseg.registry import DATASETS

from ssr_mmseg.training.data.batch_transforms import check_image_transforms
from ssr_mmseg.training.data.device_loader import resident_config
from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError

SEEDS_PER_STREAM = 2**32  # the seeds of a configuration are smaller


@dataclass(frozen=True)
class Dataloaders:
    """Dataloader configs of one dataset and seed.

    Attributes:
        dataset: Name of the dataset, for messages.
        splits: Dataset config without pipeline of each split, or None for a split without labels.
        manifest: Its manifest.
        size: Height and width of the network's input.
        seed: Seed of order and augmentation.
    """

    dataset: str
    splits: Mapping[str, dict | None]
    manifest: Mapping[str, Any]
    size: tuple[int, int]
    seed: int

    def image_count(self, splits: Sequence[str]) -> int:
        """Return the number of images in the given splits."""
        return sum(self.manifest["splits"][split]["images"] for split in splits)

    def training(
        self,
        splits: Sequence[str],
        schedule: Config,
        batch_size: int,
        indices: list[int] | None = None,
        transforms: Sequence[dict] = (),
        stream: int = 0,
    ) -> dict:
        """Return the config of a loader for training on `splits`, `batch_size` images per step over all processes.

        Args:
            schedule: The mmengine config with `loader` and `augmentation`.
            indices: Images to use; all of them by default.
            transforms: Configs of transforms after the schedule's augmentation.
            stream: Loaders of different streams draw order and augmentation independently.

        Raises:
            UserError: There are fewer images than a batch has, or other images than were prepared.
        """
        seed = self.seed + stream * SEEDS_PER_STREAM
        available = len(indices) if indices is not None else self.image_count(splits)
        if available < batch_size:
            raise UserError(f"batch_size is {batch_size} but there are only {available} images to train on; lower it")
        options = dict(schedule["loader"])
        resident = options.pop("resident", False)
        pipeline = [
            {"type": "LoadImageFromFile"},
            {"type": "LoadAnnotations"},
            {"type": "AlignedResize", "scale": self.size[::-1], "keep_ratio": False},
            *([] if resident else schedule["augmentation"]),
            *transforms,
            {"type": "PackSegInputs"},
        ]
        parts = [{**self._split(split), "pipeline": pipeline} for split in splits]
        data = parts[0] if len(parts) == 1 else {"type": "ConcatDataset", "datasets": parts}
        share = distributed.images_per_process(batch_size)
        if resident:
            return {**resident_config(data, share, schedule, indices, transforms), "seed": seed}
        check_image_transforms(schedule["augmentation"])
        return {
            "batch_size": share,
            "persistent_workers": options["num_workers"] > 0,
            "worker_init_fn": {"type": "quiet_loader_process"},
            **options,
            "drop_last": True,
            "sampler": {"type": "PositionSampler", "share": share, "seed": seed},
            "dataset": {"type": "SeededDataset", "dataset": data, "seed": seed, "indices": indices},
        }

    def evaluation(self, split: str) -> dict:
        """Return the config of a loader of a split's images, one by one and in order, at the network's input size.

        Raises:
            UserError: The split has no labels, or other images than were prepared.
        """
        pipeline = [
            {"type": "LoadImageFromFile"},
            {"type": "AlignedResize", "scale": self.size[::-1], "keep_ratio": False},
            {"type": "LoadAnnotations"},  # after the resize, so that labels keep their own size
            {"type": "PackSegInputs"},
        ]
        return {
            "batch_size": 1,
            "num_workers": 0,
            "sampler": {"type": "OrderedSampler"},
            "dataset": {**self._split(split), "pipeline": pipeline},
        }

    def _split(self, split: str) -> dict:
        """Return the dataset config of a split, after checking that its images are those that were prepared."""
        config = self.splits[split]
        if config is None:
            raise UserError(f"dataset {self.dataset} has no labels for {split}; use train and val")
        count, prepared = len(DATASETS.build({**config, "pipeline": []})), self.image_count([split])
        if count != prepared:  # mmseg lists the folder: it would continue with the remaining images
            raise UserError(
                f"dataset {self.dataset}: {split} has {count} images, expected the {prepared} that were prepared; "
                "restore them, or prepare the dataset again"
            )
        return config
