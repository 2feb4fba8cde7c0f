"""Dataset and samplers whose random choices depend only on the seed and the sample's position in the training.

A resumed training needs no saved generator states, and the number of loader workers does not change the data.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.registry import FUNCTIONS
from mmseg.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import Dataset, Sampler, SequentialSampler

from ssr_mmseg.jobs import preemption

FUNCTIONS.register_module(module=preemption.quiet_loader_process)


def seed_everything(*key: int) -> None:
    """Seed Python, NumPy and torch from a tuple of non-negative integers such as (seed, iteration).

    `torch.manual_seed` would also seed a GPU that is not in use: it keeps the seed for later, with a stack trace, which
    takes milliseconds, and loader processes seed each sample.
    """
    state = np.random.SeedSequence(key).generate_state(3)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))
    torch.default_generator.manual_seed(int(state[2]))
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(int(state[2]))


@DATASETS.register_module()
class SeededDataset(Dataset):
    """A dataset indexed by position, epoch · n + index; the augmentation at a position is always the same.

    Args:
        dataset: An mmseg dataset, or its config.
        seed: Seed of the augmentation.
        indices: The samples to use, in this order; all of them by default.
    """

    def __init__(self, dataset: Any, seed: int, indices: Sequence[int] | None = None) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.seed = seed
        self.indices = range(len(self.dataset)) if indices is None else indices

    @property
    def metainfo(self) -> dict:
        """Classes and palette of the wrapped dataset."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Any:
        epoch, index = divmod(int(position), len(self))
        sample = self.indices[index]
        seed_everything(self.seed, epoch, sample)
        return self.dataset[sample]


@DATA_SAMPLERS.register_module()
class OrderedSampler(SequentialSampler):
    """Yield every position once and in order in each process; mmengine's sampler would split them across processes."""

    def __init__(self, dataset: Dataset, seed: int | None = None) -> None:
        super().__init__(dataset)  # type: ignore[arg-type]


@DATA_SAMPLERS.register_module()
class PositionSampler(Sampler):
    """Yield the positions of an epoch, shuffled by (seed, epoch), starting at any of them.

    Data-parallel processes take turns of `share` positions, so that their batches together are those of one process.

    Args:
        dataset: The `SeededDataset` to sample from.
        seed: Seed of the order.
        share: Images per process and step; needed for several processes.
    """

    def __init__(self, dataset: Dataset, seed: int, share: int = 1) -> None:
        self.length = len(dataset)  # type: ignore[arg-type]
        self.seed = seed or 0
        self.share = share
        self.start(0, 0)

    def start(self, epoch: int, offset: int) -> None:
        """Make the next iteration start at this process's sample `offset` of `epoch`."""
        self.epoch, self.offset = epoch, offset

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        if dist.get_world_size() > 1:
            turns = order[: len(self) * dist.get_world_size()].reshape(-1, dist.get_world_size(), self.share)
            order = turns[:, dist.get_rank()].reshape(-1)
        return iter((self.epoch * self.length + order[self.offset :]).tolist())

    def __len__(self) -> int:
        if dist.get_world_size() == 1:
            return self.length
        return self.length // (self.share * dist.get_world_size()) * self.share
