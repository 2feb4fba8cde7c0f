"""When a training saves its state, and when the terms of its history are read."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.hooks.state_hook import StateHook
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils.errors import UserError


def loop() -> ResumableTrainLoop:
    found = ResumableTrainLoop.__new__(ResumableTrainLoop)
    found._iter = found._epoch = found.count = 0
    found._unread, found.history = [], []
    found._sums = dict.fromkeys(("loss", "acc"), 0.0)
    found.dataloader = range(10)
    return found


class LateTensor(torch.Tensor):
    """A tensor on the CPU that says it is on a GPU, and is there at once wherever it is wanted."""

    device = torch.device("cuda")

    def to(self, *arguments, **options) -> torch.Tensor:
        return self


def late(value: float) -> torch.Tensor:
    return torch.tensor([value]).as_subclass(LateTensor)


def test_terms_on_a_gpu_are_read_when_they_are_asked_for():
    found = loop()
    found.note({"loss": late(1.5).requires_grad_() * 2, "acc": 50.0})
    found.note({"loss": late(4.0), "acc": late(70.0)})
    assert found._sums == {"loss": 0.0, "acc": 0.0}
    assert found.sums == {"loss": 7.0, "acc": 120.0}
    assert found.sums == {"loss": 7.0, "acc": 120.0}, "only once"
    assert found.close_epoch() == {"epoch": 1, "loss": 3.5, "acc": 60.0}
    assert found.count == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_term_that_is_not_finite_names_its_iteration_whenever_it_is_read(value):
    at_once, later = loop(), loop()
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 1 \(epoch 1\)"):
        at_once.note({"loss": torch.tensor(value)})
    for number in (1.0, value, 2.0):
        later.note({"loss": late(number)})
        later._iter += 1
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 2 \(epoch 1\)"):
        later.close_epoch()


def test_nothing_is_saved_behind_a_term_that_is_not_finite(tmp_path):
    """Nor does progress get by it, which asks for the means every few seconds."""
    found = loop()
    found.note({"loss": late(float("nan"))})
    model = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper, train_loop=found, param_schedulers=None, hooks=[])
    hook = StateHook(str(tmp_path / "state.pth"))
    with pytest.raises(UserError, match="diverged: loss is nan at iteration 1"):
        hook._save(runner, 1)
    assert not list(tmp_path.iterdir())
    found.note({"loss": late(float("nan"))})
    with pytest.raises(UserError, match="diverged"):
        _ = found.sums


@pytest.mark.parametrize(("rest", "expected"), [(0.0, [10, 20, 30]), (1e6, [30])])
def test_short_epochs_can_share_a_save(tmp_path, monkeypatch, rest, expected):
    """The last epoch always saves, and so does one at whose end the training is stopped."""
    hook, saved = StateHook(str(tmp_path / "state.pth"), rest=rest), []
    monkeypatch.setattr(hook, "_save", lambda runner, iteration, reason: saved.append(iteration))
    train_loop = SimpleNamespace(max_epochs=3, epoch=0, iter=0)
    runner = SimpleNamespace(train_loop=train_loop, logger=logging.getLogger())
    hook.before_train(runner)
    for epoch in range(3):
        train_loop.epoch, train_loop.iter = epoch, 10 * (epoch + 1)
        hook.after_train_epoch(runner)
    assert saved == expected
    monkeypatch.setattr(preemption, "requested", lambda: "SIGTERM")
    train_loop.epoch = 0
    hook.after_train_epoch(runner)
    assert len(saved) == len(expected) + 1
