"""States of another seed or configuration in place of a search's: refused wherever they are read."""

import shutil
from pathlib import Path

import pytest
import torch
from tiny_experiment import DATASET, experiment

from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.origin import KEY
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError


def work(seed: int) -> Path:
    (folder,) = Path("results/work").glob(f"{DATASET}-seed{seed}-search-*")
    return folder


def test_a_search_does_not_resume_from_the_state_of_another_seed(workplace, stopped):
    workplace("run")
    for seed in (0, 1):
        stopped(SearchLoop, 3, search, experiment(), DATASET, seed)
    state = work(0) / "state.pth"
    shutil.copy(work(1) / "state.pth", state)
    with pytest.raises(
        UserError, match=rf"{state} is the state of another training \(training {work(1).name}, expected"
    ):
        search(experiment(), DATASET, 0)
    assert load_state(state)[KEY] == {"training": work(1).name}, "it stays, because it may be missed"


def test_a_search_does_not_resume_from_the_state_of_another_configuration(workplace, stopped):
    workplace("run")
    stopped(SearchLoop, 3, search, experiment(), DATASET, 0)
    first = work(0)
    first.rename("first")
    stopped(SearchLoop, 3, search, experiment(threshold=0.7), DATASET, 0)
    shutil.copy("first/state.pth", work(0))
    with pytest.raises(UserError, match=f"is the state of another training .*{first.name}"):
        search(experiment(threshold=0.7), DATASET, 0)


def test_a_state_of_an_earlier_version_is_resumed_from_with_one_line(workplace, stopped, capfd):
    workplace("run")
    stopped(SearchLoop, 3, search, experiment(), DATASET, 0)
    state = load_state(work(0) / "state.pth")
    del state[KEY]
    save_state(work(0) / "state.pth", state)
    capfd.readouterr()
    search(experiment(), DATASET, 0)
    text = "".join(capfd.readouterr())
    assert text.count("does not say which training it is of") == 1
    assert f"resumed at iteration {state['iteration']}" in text


@pytest.fixture
def run(finished, tmp_path, monkeypatch) -> Path:
    """Enter a copy of the finished experiment."""
    shutil.copytree(finished, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


SEARCHED = Path(paths.SEARCH_STATE.format(dataset=DATASET, seed=0))
SHRUNK = Path(paths.SHRINK_STATE.format(dataset=DATASET, seed=0, stage=1))
NEXT = {SEARCHED: lambda: search(experiment(), DATASET, 0, 1), SHRUNK: lambda: discretize(experiment(), DATASET, 0)}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seed": 1}, "is the state of another training .*seed 1, expected 0"),
        ({"identity": "0123"}, "is the state of another training .*identity 0123"),
        ({"dataset": "city"}, "is the state of another training .*dataset city, expected town"),
        ({"stage": 7}, "is the state of another training .*stage 7, expected"),
    ],
)
@pytest.mark.parametrize("path", NEXT, ids=["search", "shrink"])
def test_the_next_stage_refuses_the_state_of_another_search(run, path, change, match):
    state = load_state(path)
    save_state(path, {**state, KEY: {**state[KEY], **change}})
    with pytest.raises(UserError, match=match):
        NEXT[path]()


@pytest.mark.parametrize("path", NEXT, ids=["search", "shrink"])
def test_the_next_stage_refuses_a_state_that_is_not_finite(run, path):
    state = load_state(path)
    name = next(name for name, value in state["model"].items() if value.is_floating_point() and value.dim() == 4)
    state["model"][name][0, 0, 0, 0] = torch.nan
    save_state(path, state)
    with pytest.raises(UserError, match=f"{path}: {name} has a value that is not finite"):
        NEXT[path]()


def test_the_next_stage_accepts_a_state_of_an_earlier_version(run, capfd):
    state = load_state(SHRUNK)
    del state[KEY]
    save_state(SHRUNK, state)
    NEXT[SHRUNK]()
    assert f"{SHRUNK} does not say which training it is of" in capfd.readouterr().err
