"""Alone a process exchanges nothing; how several share a batch is arithmetic."""

import pytest
import torch
from torch import nn

from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError


@pytest.fixture
def several(monkeypatch):
    """A function that makes this process believe it is number `rank` of `count`."""

    def pretend(count: int, rank: int = 0) -> None:
        monkeypatch.setattr(distributed, "count", lambda: count)
        monkeypatch.setattr(distributed, "rank", lambda: rank)

    return pretend


def test_without_torchrun_there_is_one_process():
    with distributed.group(torch.device("cpu")):
        assert (distributed.count(), distributed.rank(), distributed.is_first()) == (1, 0, True)


def test_alone_values_stay_as_they_are():
    values = torch.rand(3)
    assert distributed.mean(values) is values
    assert torch.equal(distributed.gather(values), values.unsqueeze(0))
    assert distributed.any_of(True)
    assert not distributed.any_of(False)
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    distributed.average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("batch", "count", "share"), [(6, 1, 6), (6, 3, 2), (8, 8, 1)])
def test_a_batch_is_shared_equally(several, batch, count, share):
    several(count)
    assert distributed.share_of(batch) == share


@pytest.mark.parametrize(("batch", "count"), [(6, 4), (6, 8)])
def test_a_batch_that_does_not_divide_is_refused(several, batch, count):
    several(count)
    with pytest.raises(UserError, match=f"batch_size is {batch} for {count} processes together, expected a multiple"):
        distributed.share_of(batch)
