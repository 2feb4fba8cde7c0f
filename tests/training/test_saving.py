"""When a training saves its state, and that the terms of its history are read late."""

from types import SimpleNamespace

import pytest
import torch

from ssr_mmseg.training.hooks import StateHook
from ssr_mmseg.training.loop import ResumableTrainLoop


def loop() -> ResumableTrainLoop:
    found = ResumableTrainLoop.__new__(ResumableTrainLoop)
    found._iter = found._epoch = found.count = 0
    found._unread, found.history = [], []
    found._sums = dict.fromkeys(("loss", "acc"), 0.0)
    return found


def test_terms_are_read_when_they_are_asked_for():
    found = loop()
    value = torch.tensor([1.5], requires_grad=True) * 2
    found.note({"loss": value, "acc": 50.0})
    found.note({"loss": torch.tensor(4.0), "acc": torch.tensor([70.0])})
    assert found._sums == {"loss": 0.0, "acc": 0.0}
    assert found.sums == {"loss": 7.0, "acc": 120.0}
    assert found.sums == {"loss": 7.0, "acc": 120.0}, "only once"
    assert found.close_epoch() == {"epoch": 1, "loss": 3.5, "acc": 60.0}
    assert found.count == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_term_that_is_not_finite_names_its_iteration(value):
    found = loop()
    found.note({"loss": torch.tensor(1.0)})
    found._iter = 1
    found.note({"loss": torch.tensor(value)})
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) at iteration 1"):
        found.close_epoch()


@pytest.mark.parametrize(("rest", "expected"), [(0.0, [10, 20, 30]), (1e6, [30])])
def test_short_epochs_can_share_a_save(tmp_path, monkeypatch, rest, expected):
    """The last epoch always saves, and so does one at whose end the training is stopped."""
    hook, saved = StateHook(str(tmp_path / "state.pth"), rest=rest), []
    monkeypatch.setattr(hook, "_save", lambda runner, iteration: saved.append(iteration))
    train_loop = SimpleNamespace(max_epochs=3, epoch=0, iter=0)
    runner = SimpleNamespace(train_loop=train_loop)
    hook.before_train(runner)
    for epoch in range(3):
        train_loop.epoch, train_loop.iter = epoch, 10 * (epoch + 1)
        hook.after_train_epoch(runner)
    assert saved == expected
    hook.stopped_by = "SIGTERM"
    train_loop.epoch = 0
    hook.after_train_epoch(runner)
    assert len(saved) == len(expected) + 1
    hook.after_train(runner)
