"""Results that Snakemake deleted after a training had ended come back without another iteration."""

import shutil
from pathlib import Path

import pytest
from tiny_experiment import DATASET, NETWORK, assert_same_state, experiment, metrics

from ssr_mmseg import settings
from ssr_mmseg.jobs.finished_work import remove_finished
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.stages.select import select
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils.files import read_json

NAMES = {"dataset": DATASET, "seed": 0, "network": NETWORK, "stage": 1}
STAGES = {
    "search": (search, (), [paths.SEARCH_STATE, paths.SEARCH_METRICS]),
    "shrink": (search, (1,), [paths.SHRINK_STATE, paths.SHRINK_METRICS]),
    "retrain": (retrain, (NETWORK,), [paths.WEIGHTS, paths.TRAINING, paths.NETWORK_CONFIG]),
}


@pytest.fixture
def copied(finished, tmp_path, monkeypatch) -> Path:
    shutil.copytree(finished, tmp_path / "copied")
    monkeypatch.chdir(tmp_path / "copied")
    return finished


@pytest.fixture
def no_training(monkeypatch) -> None:
    def refuse(*_):
        raise AssertionError("another iteration")

    for loop in (ResumableTrainLoop, SearchLoop):
        monkeypatch.setattr(loop, "run_iter", refuse)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.usefixtures("no_training")
def test_a_finished_training_ends_again_without_an_iteration(copied, stage):
    run, arguments, patterns = STAGES[stage]
    outputs = [Path(pattern.format(**NAMES)) for pattern in patterns]
    for path in outputs:
        path.unlink()
    run(experiment(), DATASET, 0, *arguments)
    for path in outputs:
        if path.suffix == ".pth":
            assert_same_state(load_state(path), load_state(copied / path))
        elif path.suffix == ".json":
            assert metrics(path) == metrics(copied / path)
        else:
            assert path.read_text() == (copied / path).read_text()
    logs = list((outputs[0].parent / "log").rglob("*.log"))
    assert any("Epoch(train)" in log.read_text() for log in logs), "the log of the training itself is kept"


@pytest.mark.usefixtures("copied", "no_training")
def test_without_its_state_it_would_train():
    remove_finished(experiment())
    assert not list(Path("results/work").iterdir())
    Path(paths.SEARCH_METRICS.format(**NAMES)).unlink()
    with pytest.raises(AssertionError, match="another iteration"):
        search(experiment(), DATASET, 0)


@pytest.mark.usefixtures("copied")
def test_a_selection_trains_no_candidate_again(monkeypatch):
    config = settings.complete(settings.merge(experiment(), {"networks": ["searched", "random_search"]}))
    names = {**NAMES, "network": "random_search"}
    select(config, DATASET, 0, "random_search")
    record = read_json(paths.SELECTION.format(**names))
    assert record["candidates"]
    genotype = Path(paths.SELECTED.format(**names)).read_bytes()
    for pattern in (paths.SELECTED, paths.SELECTION):
        Path(pattern.format(**names)).unlink()
    monkeypatch.setattr(ResumableTrainLoop, "run_iter", None)
    select(config, DATASET, 0, "random_search")
    assert read_json(paths.SELECTION.format(**names))["candidates"] == record["candidates"]
    assert Path(paths.SELECTED.format(**names)).read_bytes() == genotype
