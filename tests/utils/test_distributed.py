"""A single process exchanges nothing; dividing a batch among several is arithmetic."""

import pytest
import torch
from mmengine import dist
from torch import nn

from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError


@pytest.fixture
def several(monkeypatch):
    """Return a function that makes this process believe it is one of `count`."""
    return lambda count: monkeypatch.setattr(dist, "get_world_size", lambda: count)


def test_without_torchrun_there_is_one_process():
    with distributed.process_group(torch.device("cpu")):
        assert (dist.get_world_size(), dist.get_rank(), dist.is_main_process()) == (1, 0, True)


def test_a_single_process_keeps_its_values():
    values = torch.rand(3)
    assert distributed.mean(values) is values
    assert distributed.any_process(True)
    assert not distributed.any_process(False)
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    distributed.average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("rank", "expected"), [(0, ["block", "barrier"]), (1, ["barrier", "block"])])
def test_the_main_process_goes_first(monkeypatch, rank, expected):
    order = []
    monkeypatch.setattr(dist, "is_main_process", lambda: rank == 0)
    monkeypatch.setattr(dist, "barrier", lambda: order.append("barrier"))
    with distributed.main_process_first():
        order.append("block")
    assert order == expected


@pytest.mark.parametrize(("batch", "count", "images"), [(6, 1, 6), (6, 3, 2), (8, 8, 1)])
def test_a_batch_is_divided_equally(several, batch, count, images):
    several(count)
    assert distributed.images_per_process(batch) == images


@pytest.mark.parametrize(("batch", "count"), [(6, 4), (6, 8)])
def test_a_batch_that_does_not_divide_is_refused(several, batch, count):
    several(count)
    with pytest.raises(UserError, match=f"batch_size is {batch} for {count} processes together, expected a multiple"):
        distributed.images_per_process(batch)
