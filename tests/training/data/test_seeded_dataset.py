"""Order and augmentation of the training data depend on seed and position only."""

import random

import numpy as np
import pytest
import torch
from mmengine import dist
from torch.utils.data import DataLoader, Dataset

from ssr_mmseg.training.data.seeded_dataset import PositionSampler, SeededDataset, seed_everything


class Noise(Dataset):
    """Samples of their index and a random number from each generator."""

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


def test_an_epoch_visits_each_sample_once_in_its_own_order():
    data = loader()
    orders = [[index for batch in epoch(data, number) for index in batch[0]] for number in range(3)]
    assert all(sorted(order) == [0, 2, 4, 5, 6] for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_a_position_gives_the_same_sample_whatever_was_drawn_before():
    whole = epoch(loader(), 4)
    seed_everything(99)
    assert epoch(loader(), 4, first=1) == whole[1:]


def test_seeding_is_that_of_torch_and_leaves_a_gpu_that_is_not_in_use_alone(monkeypatch):
    seed = int(np.random.SeedSequence((5, 6)).generate_state(3)[2])
    torch.manual_seed(seed)
    expected = torch.rand(4)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("a GPU was seeded"))
    seed_everything(5, 6)
    assert torch.equal(torch.rand(4), expected)


def test_a_gpu_in_use_is_seeded(monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    seed_everything(5, 6)
    assert seeds == [int(np.random.SeedSequence((5, 6)).generate_state(3)[2])]


def test_augmentation_differs_between_epochs_and_seeds():
    def draws(data, number):
        return {tuple(values) for batch in epoch(data, number) for values in zip(*batch, strict=True)}

    assert not draws(loader(), 0) & draws(loader(), 1)
    assert not draws(loader(), 0) & draws(loader(seed=4), 0)


def test_the_number_of_workers_changes_nothing():
    assert epoch(loader(workers=2), 1) == epoch(loader(), 1)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("images", "batch", "count"), [(13, 4, 2), (12, 6, 3), (9, 4, 4)])
def test_several_processes_together_see_the_batches_of_one(monkeypatch, images, batch, count, first):
    alone = SeededDataset(range(images), 0)
    sampler = PositionSampler(alone, 5)
    sampler.start(2, first * batch)
    order = list(sampler)
    expected = [set(order[k : k + batch]) for k in range(0, len(order) - batch + 1, batch)]

    share, parts = batch // count, []
    monkeypatch.setattr(dist, "get_world_size", lambda: count)
    for rank in range(count):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        sampler = PositionSampler(alone, 5, share)
        assert len(sampler) // share == images // batch, "as many steps as one process takes"
        sampler.start(2, first * share)
        positions = list(sampler)
        parts.append([positions[k : k + share] for k in range(0, len(positions), share)])
    together = [{position for part in batch_parts for position in part} for batch_parts in zip(*parts, strict=True)]
    assert together == expected
    assert all(len(positions) == batch for positions in together), "no image twice"
