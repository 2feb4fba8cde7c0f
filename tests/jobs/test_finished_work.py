"""Which work folders of finished trainings are deleted when a stage begins, and when a run has succeeded."""

from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs.finished_work import mark_finished, remove_accepted, remove_finished, remove_trainings
from ssr_mmseg.training.checkpoint.work_lock import claim, release

TRAININGS = [
    "town-seed0-search",
    "town-seed0-shrink1",
    "town-seed0-shrink2",
    "town-seed0-select-random",
    "town-seed0-select-random_2",
    "town-seed0-retrain-searched",
    "town-seed0-retrain-random",
    "town-seed0-retrain-random_2",
    "town-seed1-search",
    "town-seed10-search",
    "town_2-seed0-search",
    "my_town-seed0-search",
]
SEARCH = TRAININGS[:3]


@pytest.fixture(scope="module", params=[None, "fast"])
def config(request) -> dict:
    town = {"type": "streets", "size": [64, 64]}
    search = {"shrink_stages": 2, "cost": {"type": "macs"}}
    named = {"name": request.param, "datasets": {"town": town, "town_2": town, "my_town": town}, "search": search}
    return settings.complete({**named, "networks": ["searched", "random"]}, "test")


@pytest.fixture
def finished(config, tmp_path, monkeypatch) -> Path:
    """The folder of work folders: one of each training that is finished, and one that is not."""
    monkeypatch.chdir(tmp_path)
    folder = settings.paths.results_folder(config) / "work"
    for name in TRAININGS:
        for kind in ("0ab1", "2cd3"):
            (folder / f"{name}-{kind}").mkdir(parents=True)
            (folder / f"{name}-{kind}/state.pth").touch()
        mark_finished(folder / f"{name}-0ab1")
    return folder


def removed(folder: Path) -> list[str]:
    """Return the trainings whose finished folder is gone, after checking that the others are complete."""
    for name in TRAININGS:
        assert (folder / f"{name}-2cd3/state.pth").exists(), "a training that is not finished keeps its state"
    return [name for name in TRAININGS if not (folder / f"{name}-0ab1").exists()]


@pytest.mark.parametrize(
    ("stage", "values", "expected"),
    [
        ("prepare", {}, []),
        ("search", {}, []),
        ("shrink", {"number": 1}, SEARCH[:1]),
        ("shrink", {"number": 2}, SEARCH[:2]),
        ("discretize", {}, SEARCH),
        ("retrain", {"network": "random"}, ["town-seed0-select-random"]),
        ("evaluate", {"network": "random"}, ["town-seed0-retrain-random"]),
        ("evaluate", {"network": "searched"}, ["town-seed0-retrain-searched"]),
    ],
)
def test_a_stage_deletes_the_states_of_the_trainings_that_it_reads(config, finished, stage, values, expected):
    remove_accepted(config, stage, "town", **values)
    assert removed(finished) == expected


def test_a_run_that_succeeds_deletes_the_states_of_all_finished_trainings(config, finished):
    remove_finished(config)
    assert removed(finished) == TRAININGS


def test_a_selection_deletes_its_candidates_only(config, finished):
    remove_trainings(config, "town-seed0-select-random")
    assert removed(finished) == ["town-seed0-select-random"]


def test_a_training_that_goes_on_is_not_finished(config, finished):
    work = finished / f"{TRAININGS[0]}-0ab1"
    claim(work)
    try:
        remove_finished(config)
        assert (work / "state.pth").exists()
    finally:
        release(work)


def test_a_finished_training_keeps_one_state(tmp_path):
    for name in ("state.pth", "previous.pth"):
        (tmp_path / name).touch()
    mark_finished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finished", "state.pth"]
