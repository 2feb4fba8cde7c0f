"""A seed determines the result, also if the training is stopped and resumed."""

import shutil
import signal
from pathlib import Path

import pytest
from tiny_experiment import DATASET, NETWORK, assert_same_state, experiment, metrics, run_all

from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.loop import ResumableTrainLoop


def test_two_runs_with_one_seed_give_the_same_bytes(finished, workplace):
    again = workplace("again")
    run_all()
    for pattern in (paths.GENOTYPE, paths.DISCRETIZATION, paths.EVALUATION):
        path = pattern.format(dataset=DATASET, seed=0, network=NETWORK)
        assert (again / path).read_bytes() == (finished / path).read_bytes()
    training = paths.TRAINING.format(dataset=DATASET, seed=0, network=NETWORK)
    for path in (paths.stage_metrics_path({}, DATASET, 0, 0), paths.stage_metrics_path({}, DATASET, 0, 1), training):
        assert metrics(again / path) == metrics(finished / path)
    weights = paths.WEIGHTS.format(dataset=DATASET, seed=0, network=NETWORK)
    for path in (paths.state_path({}, DATASET, 0, 0), paths.state_path({}, DATASET, 0, 1), weights):
        assert_same_state(load_state(again / path), load_state(finished / path))


def test_another_seed_gives_another_search(finished, workplace):
    other = workplace("other")
    search(experiment(), DATASET, 1)
    first, second = (metrics(f / paths.stage_metrics_path({}, DATASET, s, 0)) for f, s in ((finished, 0), (other, 1)))
    losses = [[epoch["loss_weights"] for epoch in run["history"]] for run in (first, second)]
    assert all(a != b for a, b in zip(*losses, strict=True))


@pytest.mark.parametrize("iteration", [1, 2, 4], ids=["in an epoch", "at an epoch's end", "at the last epoch's end"])
def test_a_resumed_search_equals_an_uninterrupted_one(finished, workplace, stopped, iteration):
    folder = workplace("stopped")
    handler = signal.getsignal(signal.SIGTERM)
    stopped(SearchLoop, iteration, search, experiment(), DATASET, 0)
    assert signal.getsignal(signal.SIGTERM) is handler
    state, path = paths.state_path({}, DATASET, 0, 0), paths.stage_metrics_path({}, DATASET, 0, 0)
    assert not state.exists(), "an unfinished stage has no result"
    search(experiment(), DATASET, 0)
    assert_same_state(load_state(state), load_state(finished / state))
    assert metrics(path) == metrics(finished / path)
    (work,) = (folder / "results/work").iterdir()
    assert (work / "finished").exists()


def test_a_resumed_shrinking_stage_equals_an_uninterrupted_one(finished, workplace, stopped):
    workplace("stopped")
    previous = paths.state_path({}, DATASET, 0, 0)
    previous.parent.mkdir(parents=True)
    shutil.copy(finished / previous, previous)
    stopped(SearchLoop, 1, search, experiment(), DATASET, 0, 1)
    search(experiment(), DATASET, 0, 1)
    state, path = paths.state_path({}, DATASET, 0, 1), paths.stage_metrics_path({}, DATASET, 0, 1)
    assert_same_state(load_state(state), load_state(finished / state))
    assert metrics(path) == metrics(finished / path)


def test_a_resumed_retraining_equals_an_uninterrupted_one(finished, workplace, stopped):
    workplace("stopped")
    genotype = Path(paths.GENOTYPE.format(dataset=DATASET, seed=0))
    genotype.parent.mkdir(parents=True)
    shutil.copy(finished / genotype, genotype)
    stopped(ResumableTrainLoop, 3, retrain, experiment(), DATASET, 0, NETWORK)
    retrain(experiment(), DATASET, 0, NETWORK)
    names = {"dataset": DATASET, "seed": 0, "network": NETWORK}
    weights, record = paths.WEIGHTS.format(**names), paths.TRAINING.format(**names)
    assert_same_state(load_state(Path(weights)), load_state(finished / weights))
    assert metrics(Path(record)) == metrics(finished / record)
