"""A search with GraphHook: the same result as without, also when stopped; on a CPU it says that it does nothing."""

from pathlib import Path

import pytest
import torch
from pretend_recorder import PretendRecorder
from tiny_experiment import DATASET, assert_same_state, experiment

from ssr_mmseg.search import graph_hook
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.history import History

STAGES = (0, 1)
SCHEDULE = "schedules/search.py"
HOOKS = [
    "dict(type='HistoryHook')",
    "dict(type='ChannelsLastHook')",
    "dict(type='RegularizerRampHook', begin=0.3, factor=100)",
]


@pytest.fixture
def run(workplace, monkeypatch):
    """A function that enters a new folder with a schedule for GPUs, and returns its configuration."""

    def enter(name: str, *hooks: str) -> dict:
        folder = workplace(name)
        (folder / SCHEDULE).parent.mkdir()
        base = str(paths.PROJECT / "config/mmseg/supernet_camvid.py")
        rate = "optim_wrapper = dict(architecture=dict(optimizer=dict(lr=1.5e-1)))"  # so that options die at once
        lines = [f"_base_ = [{base!r}]", rate, f"custom_hooks = [{', '.join([*HOOKS, *hooks])}]"]
        (folder / SCHEDULE).write_text("\n".join(lines) + "\n")
        return experiment(config=SCHEDULE, threshold=0.9)

    return enter


@pytest.fixture
def recorders(monkeypatch) -> list[PretendRecorder]:
    """The recorders of all trainings, which are pretended."""
    made: list[PretendRecorder] = []
    apply = graph_hook.GraphHook.apply

    def begin(self, step, logger) -> None:
        made.append(PretendRecorder(step.model.buffers()))
        apply(self, step, logger)

    monkeypatch.setattr(graph_hook.GraphHook, "apply", begin)
    monkeypatch.setattr(graph_hook, "recorder_for", lambda device: made[-1])
    return made


@pytest.fixture
def eager(run) -> list[dict]:
    """The states of all stages of a search without the hook."""
    config = run("eager")
    for stage in STAGES:
        search(config, DATASET, 0, stage)
    return [load_state(paths.state_path({}, DATASET, 0, stage)) for stage in STAGES]


def assert_same_search(eager: list[dict]) -> None:
    for stage in STAGES:
        assert_same_state(load_state(paths.state_path({}, DATASET, 0, stage)), eager[stage])


def test_a_recorded_search_in_bfloat16_equals_an_eager_one(eager, run, recorders):
    config = run("recorded", "dict(type='GraphHook')")
    for stage in STAGES:
        search(config, DATASET, 0, stage)
    assert_same_search(eager)
    first = recorders[0]
    assert (first.warm_ups, first.records, first.replays) == (2, 4, 6), "again after the epoch in which operators died"
    assert first.forgotten == 2, "the first two recordings share no memory with the others"


def test_losses_that_are_read_late_are_those_of_their_step(run, recorders, monkeypatch):
    losses, note = [], History.note

    def keep(history, terms, *arguments) -> None:
        losses.extend((value, float(value)) for value in terms.values() if torch.is_tensor(value))
        note(history, terms, *arguments)

    monkeypatch.setattr(History, "note", keep)
    search(run("recorded", "dict(type='GraphHook')"), DATASET, 0, 0)
    assert recorders[0].replays > 2
    assert len(losses) > recorders[0].replays
    assert [float(value) for value, _ in losses] == [at_once for _, at_once in losses]


def test_a_stopped_recorded_search_equals_an_eager_one(eager, run, recorders, stopped):
    config = run("stopped", "dict(type='GraphHook')")
    stopped(SearchLoop, 3, search, config, DATASET, 0)
    for stage in STAGES:
        search(config, DATASET, 0, stage)
    assert_same_search(eager)


def test_without_a_gpu_the_hook_says_that_it_does_nothing(eager, run):
    config = run("cpu", "dict(type='GraphHook')")
    for stage in STAGES:
        search(config, DATASET, 0, stage)
    assert_same_search(eager)
    logs = [path.read_text() for path in Path("results").rglob("*.log")]
    assert any("GraphHook does nothing: CUDA graphs need one process and a GPU" in log for log in logs)


def test_several_processes_are_not_recorded(monkeypatch):
    monkeypatch.setattr(graph_hook.dist, "get_world_size", lambda: 2)
    assert graph_hook.recorder_for(torch.device("cuda")) is None
