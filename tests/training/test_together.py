"""Data-parallel processes stop behind the same iteration, and the first looks at files before the others."""

from types import SimpleNamespace

import pytest
from torch import nn

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.hooks.state_hook import reason_to_stop
from ssr_mmseg.utils import distributed

RUNNER = SimpleNamespace(model=nn.Linear(1, 1))


def test_alone_a_process_stops_when_it_is_told_to(monkeypatch):
    assert reason_to_stop(RUNNER) is None
    monkeypatch.setattr(preemption, "requested", lambda: "SIGTERM")
    assert reason_to_stop(RUNNER) == "SIGTERM"


@pytest.mark.parametrize("own", [None, "SIGINT"])
def test_a_process_stops_when_another_is_told_to(monkeypatch, own):
    monkeypatch.setattr(preemption, "requested", lambda: own)
    monkeypatch.setattr(distributed, "count", lambda: 2)
    monkeypatch.setattr(distributed, "any_of", lambda fact, device: True)
    assert reason_to_stop(RUNNER) == (own or "another process's signal")


@pytest.mark.parametrize(("rank", "expected"), [(0, ["block", "wait"]), (1, ["wait", "block"])])
def test_the_first_goes_ahead(monkeypatch, rank, expected):
    order = []
    monkeypatch.setattr(distributed, "rank", lambda: rank)
    monkeypatch.setattr(distributed, "wait", lambda: order.append("wait"))
    with distributed.first_ahead():
        order.append("block")
    assert order == expected
