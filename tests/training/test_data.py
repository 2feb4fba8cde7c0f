import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ssr_mmseg.training.data import PositionSampler, SeededDataset, seed_everything


class Noise(Dataset):
    """Samples that consist of their index and of what each generator says."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[int, float, float, float]:
        return index, random.random(), float(np.random.rand()), float(torch.rand(()))


def epoch(loader: DataLoader, number: int, first: int = 0) -> list:
    loader.sampler.start(number, first * loader.batch_size)
    return [[part.tolist() for part in batch] for batch in loader]


def loader(workers: int = 0, seed: int = 3) -> DataLoader:
    dataset = SeededDataset(Noise(), seed, indices=[0, 2, 4, 5, 6])
    return DataLoader(dataset, batch_size=2, sampler=PositionSampler(dataset, seed), num_workers=workers)


def test_an_epoch_visits_each_sample_once_in_an_order_of_its_own():
    data = loader()
    orders = [[index for batch in epoch(data, number) for index in batch[0]] for number in range(3)]
    assert all(sorted(order) == [0, 2, 4, 5, 6] for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_a_position_gives_the_same_sample_whatever_was_drawn_before():
    whole = epoch(loader(), 4)
    seed_everything(99)
    assert epoch(loader(), 4, first=1) == whole[1:]


def test_augmentation_differs_between_epochs_and_seeds():
    def draws(data, number):
        return {tuple(values) for batch in epoch(data, number) for values in zip(*batch, strict=True)}

    assert not draws(loader(), 0) & draws(loader(), 1)
    assert not draws(loader(), 0) & draws(loader(seed=4), 0)


def test_the_number_of_workers_changes_nothing():
    assert epoch(loader(workers=2), 1) == epoch(loader(), 1)
