"""Saving of the state, and reading of loss terms from the device, at the right times."""

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.history import History
from ssr_mmseg.training.hooks.history_hook import HistoryHook
from ssr_mmseg.training.hooks.state_hook import StateHook
from ssr_mmseg.utils.errors import UserError


class LateTensor(torch.Tensor):
    """A tensor on the CPU that pretends to be on a GPU, and that `to` returns as it is."""

    device = torch.device("cuda")

    def to(self, *arguments, **options) -> torch.Tensor:
        return self


def late(value: float) -> torch.Tensor:
    return torch.tensor([value]).as_subclass(LateTensor)


def test_terms_on_a_gpu_are_read_on_demand():
    history = History()
    history.load({"records": [], "sums": {"loss": 0.0, "acc": 0.0}, "count": 0})
    history.note({"loss": late(1.5).requires_grad_() * 2, "acc": 50.0}, 1, 1)
    history.note({"loss": late(4.0), "acc": late(70.0)}, 2, 1)
    assert history._sums == {"loss": 0.0, "acc": 0.0}
    assert history.sums == {"loss": 7.0, "acc": 120.0}
    assert history.sums == {"loss": 7.0, "acc": 120.0}, "only once"
    assert history.means() == {"loss": 3.5, "acc": 60.0}
    assert history.close(epoch=1) == {"epoch": 1, "loss": 3.5, "acc": 60.0}
    assert history.count == 0


def test_a_history_is_restored_within_a_period_and_its_list_stays_the_same():
    history, other = History(), History()
    history.note({"loss": 1.0}, 1, 1)
    history.close(epoch=1)
    history.note({"loss": late(3.0)}, 2, 2)
    records = other.records
    other.note({"loss": late(9.0)}, 1, 1)
    other.load(copy.deepcopy(history.state()))
    for each in (history, other):
        each.note({"loss": 5.0}, 3, 2)
        each.close(epoch=2)
    assert records is other.records
    assert records == history.records == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 4.0}]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_error_of_a_term_that_is_not_finite_has_its_iteration_whenever_it_is_read(value):
    at_once, later = History(), History()
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 1 \(epoch 1\)"):
        at_once.note({"loss": torch.tensor(value)}, 1, 1)
    for iteration, number in enumerate((1.0, value, 2.0), start=1):
        later.note({"loss": late(number)}, iteration, 1)
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 2 \(epoch 1\)"):
        later.close(epoch=1)
    with pytest.raises(UserError, match=r"diverged: loss is (nan|inf) at iteration 7; the last"):
        History().note({"loss": value}, 7)


def test_nothing_is_saved_after_a_term_that_is_not_finite(tmp_path):
    """Progress reports, which read the means every few seconds, raise the error as well."""
    history = HistoryHook()
    history.history.note({"loss": late(float("nan"))}, 1, 1)
    model = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    loop = SimpleNamespace(seconds=0.0, waited=0.0)
    runner = SimpleNamespace(
        model=model, optim_wrapper=wrapper, train_loop=loop, param_schedulers=None, hooks=[history]
    )
    hook = StateHook(str(tmp_path / "state.pth"))
    with pytest.raises(UserError, match="diverged: loss is nan at iteration 1"):
        hook._save(runner, 1)
    assert not list(tmp_path.iterdir())
    history.history.note({"loss": late(float("nan"))}, 2, 1)
    with pytest.raises(UserError, match="diverged"):
        history.history.means()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    torch.nn.init.constant_(model.weight, float("nan"))
    loop = SimpleNamespace(seconds=0.0, waited=0.0, steps_per_epoch=10)
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper, train_loop=loop, param_schedulers=None, hooks=[])
    with pytest.raises(UserError, match=r"model.weight is not finite at iteration 11 \(epoch 2\)"):
        StateHook(str(tmp_path / "state.pth"))._save(runner, 11)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("rest", "expected"), [(0.0, [10, 20, 30]), (1e6, [30])])
def test_short_epochs_can_share_a_save(tmp_path, monkeypatch, rest, expected):
    """The last epoch always saves, and so does an epoch after which the training is stopped."""
    hook, saved = StateHook(str(tmp_path / "state.pth")), []
    hook.rest = rest
    monkeypatch.setattr(hook, "_save", lambda runner, iteration, reason: saved.append(iteration))
    train_loop = SimpleNamespace(max_epochs=3, epoch=0, iter=0, start_at=None)
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
