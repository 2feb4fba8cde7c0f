"""States whose parts torch and mmengine would take over although they cannot be continued from."""

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.optim import MultiStepLR, OptimWrapper, OptimWrapperDict

from ssr_mmseg.training.checkpoint.runner_state import capture, restore
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.training.hooks.ema_hook import AverageHook
from ssr_mmseg.training.hooks.history_hook import HistoryHook
from ssr_mmseg.training.initial_weights import InitialWeightsHook
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils.errors import UserError

ENTRY = {"file": "a.pth", "sha256": "0" * 64, "part": "backbone", "tensors": 2, "taken": 1, "left": ["w"]}


def training(parts: bool = False) -> SimpleNamespace:
    """Return what `capture` and `restore` use of a runner, after three of eight iterations."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    wrappers = {
        name: OptimWrapper(torch.optim.AdamW(layer.parameters(), lr=0.1, betas=(0.8, 0.9)))
        for name, layer in (("first", model[0]), ("second", model[1]))
    }
    wrapper = OptimWrapperDict(**wrappers) if parts else wrappers["first"]
    schedulers = {name: [MultiStepLR(each, milestones=[1, 2])] for name, each in wrappers.items()}
    average, history, initial = AverageHook(), HistoryHook(), InitialWeightsHook()
    initial.record = [dict(ENTRY)]
    average.average = {name: value.clone() for name, value in model.state_dict().items() if value.is_floating_point()}
    history.history.note({"loss": 1.0}, 1, 1)
    history.history.close(epoch=1)
    history.history.note({"loss": 2.0}, 2, 2)
    loop = SimpleNamespace(iter=3, max_iters=8, steps_per_epoch=2, seconds=1.5, waited=0.5)
    loop.start_at = lambda iteration: ResumableTrainLoop.start_at(loop, iteration)
    for _ in range(3):
        model(torch.rand(4, 2)).sum().backward()
        for name, each in wrappers.items() if parts else [("first", wrappers["first"])]:
            each.optimizer.step()
            schedulers[name][0].step()
    return SimpleNamespace(
        model=model,
        optim_wrapper=wrapper,
        param_schedulers=schedulers if parts else schedulers["first"],
        train_loop=loop,
        hooks=[average, history, initial],
        logger=logging.getLogger(),
    )


def go_on(runner: SimpleNamespace) -> None:
    """Do what a training does next with everything that was restored."""
    average, history, initial = runner.hooks
    runner.model(torch.rand(4, 2)).sum().backward()
    wrapper = runner.optim_wrapper
    for each in wrapper.optim_wrappers.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]:
        each.optimizer.step()
    schedulers = runner.param_schedulers
    for scheduler in (
        schedulers if isinstance(schedulers, list) else [one for each in schedulers.values() for one in each]
    ):
        scheduler.step()
    for name, value in average.average.items():
        value.lerp_(runner.model.state_dict()[name], 0.5)
    history.history.note({"loss": 1.0}, 4, 2)
    history.history.close(epoch=2)
    assert all(len(entry["sha256"][:12]) <= 12 for entry in initial.record)
    assert runner.train_loop._epoch == runner.train_loop._iter // 2
    runner.train_loop.seconds += 1.0


@pytest.mark.parametrize("parts", [False, True])
def test_a_state_is_restored_as_it_was(tmp_path, parts):
    one, other = training(parts), training(parts)
    for parameter in one.model.parameters():
        parameter.data += 1
    save_state(tmp_path / "s.pth", capture(one, 3))
    restore(other, load_state(tmp_path / "s.pth"))
    go_on(other)
    restored = training(parts)
    restore(restored, load_state(tmp_path / "s.pth"))
    assert torch.equal(restored.model[0].weight, one.model[0].weight)
    assert restored.hooks[1].history.records == [{"epoch": 1, "loss": 1.0}]


def change(state: dict, path: str, value) -> dict:
    *above, last = path.split("/")
    place = state
    for key in above:
        place = place[int(key) if key.isdecimal() else key]
    place[int(last) if last.isdecimal() else last] = value
    return state


LONG = torch.ones(5)
ODD = [
    None,
    True,
    0,
    -1,
    2**63,
    1e308,
    float("nan"),
    "",
    "x" * 300,
    [],
    {},
    [[]],
    {"": None},
    (1, "1"),
    LONG,
    torch.ones(()),
]
CHANGES = {
    "an iteration beyond the end": ("iteration", 9),
    "a negative iteration": ("iteration", -1),
    "half an iteration": ("iteration", 1.5),
    "a true iteration": ("iteration", True),
    "a time that is none": ("seconds", "long"),
    "an infinite time": ("seconds", float("inf")),
    "a negative wait": ("waited", -1.0),
    "no model": ("model", None),
    "a model of numbers": ("model/0.weight", 3.0),
    "a tensor of another shape": ("model/0.weight", LONG),
    "a moment of another shape": ("optimizers/state/0/exp_avg", LONG),
    "a moment of words": ("optimizers/state/0/exp_avg", "x"),
    "a state of another parameter": ("optimizers/state/7", {"exp_avg": LONG}),
    "a learning rate of words": ("optimizers/param_groups/0/lr", "x"),
    "a pair of words": ("optimizers/param_groups/0/betas", ("x", "y")),
    "a group of numbers": ("optimizers/param_groups/0", 3),
    "no groups": ("optimizers/param_groups", []),
    "a scheduler's method": ("schedulers/all/0/step", 3),
    "a scheduler's step of words": ("schedulers/all/0/last_step", "x"),
    "no schedulers": ("schedulers/all", []),
    "an average of another shape": ("hooks/AverageHook/0.weight", LONG[:1]),
    "no history": ("hooks/HistoryHook", {}),
    "records of numbers": ("hooks/HistoryHook/records", [1, 2]),
    "records of tensors": ("hooks/HistoryHook/records", [{"loss": LONG}]),
    "records that are not finite": ("hooks/HistoryHook/records", [{"loss": float("nan")}]),
    "sums of words": ("hooks/HistoryHook/sums", {"loss": "x"}),
    "a count of words": ("hooks/HistoryHook/count", "x"),
    "a record of other keys": ("hooks/InitialWeightsHook/record", [{"file": "a.pth"}]),
    "a record of numbers": ("hooks/InitialWeightsHook/record", 3),
    "no hooks": ("hooks", {}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_state_that_cannot_be_continued_from_is_refused(kind):
    state = change(copy.deepcopy(capture(training(), 3)), *CHANGES[kind])
    with pytest.raises(UserError, match="the state to resume from is not the state that this stage needs") as caught:
        restore(training(), state)
    assert "\n" not in str(caught.value)


def places(value, path: tuple = ()) -> list[tuple]:
    """Return the paths of all values within a state."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_state_is_refused_or_continued_from(tmp_path, data):
    state = copy.deepcopy(capture(training(), 3))
    # without the moments of the optimizer, of which only the shapes are checked
    *above, last = data.draw(st.sampled_from([p for p in places(state)[1:] if p[:2] != ("optimizers", "state")]))
    place = state
    for key in above:
        place = place[key]
    place[last] = data.draw(st.sampled_from(ODD).map(copy.deepcopy))
    runner = training()
    try:
        save_state(tmp_path / "s.pth", state)
        loaded = load_state(tmp_path / "s.pth")
        restore(runner, loaded)
    except UserError:
        return
    go_on(runner)
