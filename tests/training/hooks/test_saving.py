"""Saving of the state, and reading of loss terms from the device, at the right times."""

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
    train_loop = ResumableTrainLoop.__new__(ResumableTrainLoop)
    train_loop._iter = train_loop._epoch = train_loop.count = 0
    train_loop._unread, train_loop.history = [], []
    train_loop._sums = dict.fromkeys(("loss", "acc"), 0.0)
    train_loop.dataloader = range(10)
    return train_loop


class LateTensor(torch.Tensor):
    """A tensor on the CPU that pretends to be on a GPU, and that `to` returns as it is."""

    device = torch.device("cuda")

    def to(self, *arguments, **options) -> torch.Tensor:
        return self


def late(value: float) -> torch.Tensor:
    return torch.tensor([value]).as_subclass(LateTensor)


def test_terms_on_a_gpu_are_read_on_demand():
    train_loop = loop()
    train_loop.note({"loss": late(1.5).requires_grad_() * 2, "acc": 50.0})
    train_loop.note({"loss": late(4.0), "acc": late(70.0)})
    assert train_loop._sums == {"loss": 0.0, "acc": 0.0}
    assert train_loop.sums == {"loss": 7.0, "acc": 120.0}
    assert train_loop.sums == {"loss": 7.0, "acc": 120.0}, "only once"
    assert train_loop.close_epoch() == {"epoch": 1, "loss": 3.5, "acc": 60.0}
    assert train_loop.count == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_error_of_a_term_that_is_not_finite_has_its_iteration_whenever_it_is_read(value):
    at_once, later = loop(), loop()
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 1 \(epoch 1\)"):
        at_once.note({"loss": torch.tensor(value)})
    for number in (1.0, value, 2.0):
        later.note({"loss": late(number)})
        later._iter += 1
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 2 \(epoch 1\)"):
        later.close_epoch()


def test_nothing_is_saved_after_a_term_that_is_not_finite(tmp_path):
    """Progress reports, which read the means every few seconds, raise the error as well."""
    train_loop = loop()
    train_loop.note({"loss": late(float("nan"))})
    model = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper, train_loop=train_loop, param_schedulers=None, hooks=[])
    hook = StateHook(str(tmp_path / "state.pth"))
    with pytest.raises(UserError, match="diverged: loss is nan at iteration 1"):
        hook._save(runner, 1)
    assert not list(tmp_path.iterdir())
    train_loop.note({"loss": late(float("nan"))})
    with pytest.raises(UserError, match="diverged"):
        _ = train_loop.sums


@pytest.mark.parametrize(("rest", "expected"), [(0.0, [10, 20, 30]), (1e6, [30])])
def test_short_epochs_can_share_a_save(tmp_path, monkeypatch, rest, expected):
    """The last epoch always saves, and so does an epoch after which the training is stopped."""
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
