"""Loaders of a training that can resume at any iteration, from an ordinary `train_dataloader` of an mmengine config."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmengine.runner import Runner
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from ssr_mmseg.training.data.device_loader import LOADERS
from ssr_mmseg.training.data.preprocessor import mean_color
from ssr_mmseg.training.data.reading import check_reading
from ssr_mmseg.training.data.seeded_dataset import SeededDataset
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import build

SEEDS_PER_STREAM = 2**32  # the seeds of a configuration are smaller

Parts = Callable[[int], Sequence[Sequence[int] | None]]


def whole(images: int) -> list[None]:
    """Return the one part of a training on all images."""
    return [None]


def build_loaders(config: Mapping[str, Any], runner: Any, parts: Parts = whole) -> list[Any]:
    """Build one loader for each part of a dataset, all with the same settings.

    A `type` names a loader of this project, such as `ResidentLoader`. Without it the config is that of a torch
    `DataLoader`, as mmengine takes it; its sampler is replaced by one that shuffles by seed and epoch and can start at
    any image, and every image is augmented by a seed of its own. An incomplete last batch is dropped.

    Args:
        config: The `train_dataloader` of an mmengine config.
        runner: The runner, for its seed and its model.
        parts: From the number of images to the indices of each part, None for all of them. The loaders of different
            parts draw order and augmentation independently.

    Raises:
        UserError: An argument is unknown, or a part has fewer images than a batch; later, on access to a sample whose
            files cannot be read.
    """
    options = dict(config)
    dataset = options.pop("dataset")
    dataset = check_reading(DATASETS.build(dataset) if isinstance(dataset, dict) else dataset)
    loaders = []
    for stream, indices in enumerate(parts(len(dataset))):
        images = len(dataset) if indices is None else len(indices)
        if images < options["batch_size"]:
            if images == 0:
                raise UserError(
                    "there is no image for a half of the search, which trains weights and architecture on disjoint "
                    "halves; add images, or set search.split: whole"
                )
            raise UserError(
                f"batch_size is {options['batch_size']} but there are only {images} images to train on; lower it"
            )
        loaders.append(_build(options, dataset, indices, runner, runner.seed + stream * SEEDS_PER_STREAM))
    return loaders


def _build(options: dict[str, Any], dataset: Any, indices: Sequence[int] | None, runner: Any, seed: int) -> Any:
    if "type" in options:
        device = next(runner.model.parameters()).device
        fill = mean_color(runner.model.data_preprocessor)
        supplied = {"dataset": dataset, "indices": indices, "seed": seed, "device": device, "fill": fill}
        return build(LOADERS, options, "train_dataloader", **supplied)
    unknown = set(options) - set(inspect.signature(DataLoader).parameters)
    if unknown:
        raise UserError(
            f"train_dataloader has the unknown argument {', '.join(sorted(unknown))}; remove it, or set "
            "type='ResidentLoader' if it is an argument of that loader"
        )
    workers = options.get("num_workers", 0)
    complete = {
        "num_workers": workers,
        "worker_init_fn": {"type": "quiet_loader_process"},
        **options,
        "persistent_workers": workers > 0,
        "drop_last": True,
        "sampler": {"type": "PositionSampler", "share": options["batch_size"], "seed": seed},
        "dataset": SeededDataset(dataset, seed, indices),
    }
    return Runner.build_dataloader(complete, seed=runner.seed)
