"""Data-parallel processes stop after the same iteration."""

from types import SimpleNamespace

import pytest
from mmengine import dist
from torch import nn

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.hooks.state_hook import reason_to_stop
from ssr_mmseg.utils import distributed

RUNNER = SimpleNamespace(model=nn.Linear(1, 1))


def test_a_single_process_stops_on_its_own_signal(monkeypatch):
    assert reason_to_stop(RUNNER) is None
    monkeypatch.setattr(preemption, "requested", lambda: "SIGTERM")
    assert reason_to_stop(RUNNER) == "SIGTERM"


@pytest.mark.parametrize("signal", [None, "SIGINT"])
def test_a_process_stops_when_another_has_got_a_signal(monkeypatch, signal):
    monkeypatch.setattr(preemption, "requested", lambda: signal)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "any_process", lambda condition, device: True)
    assert reason_to_stop(RUNNER) == (signal or "another process's signal")
