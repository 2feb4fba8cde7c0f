"""Lengths in epochs have a floor in steps, which a small training set reaches by more epochs."""

import math

from hypothesis import given
from hypothesis import strategies as st
from tiny_experiment import DATASET, EXPERIMENT, experiment

from ssr_mmseg import settings
from ssr_mmseg.experiment.lengths import search_length, training_length
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.utils.files import read_json

numbers = st.integers(1, 50)


@given(numbers, st.integers(0, 5), numbers, st.integers(1, 9), st.integers(2, 16), st.integers(2, 1000), st.booleans())
def test_a_search_has_the_fewest_multiples_of_its_epochs_with_enough_steps(
    epochs, stages, later, hundreds, batch_size, images, halves
):
    section = {
        "epochs": epochs,
        "shrink_stages": stages,
        "shrink_epochs": later,
        "min_steps": 100 * hundreds,
        "batch_size": batch_size,
        "split": "halves" if halves else "whole",
    }
    length = search_length(section, images)
    assert length.steps_per_epoch == max((images // 2 if halves else images) // batch_size, 1)
    assert length.first == length.factor * epochs
    assert [length.end(stage + 1) - length.end(stage) for stage in range(stages)] == [length.factor * later] * stages
    assert length.epochs * length.steps_per_epoch >= section["min_steps"]
    fewer = (length.factor - 1) * (epochs + stages * later) * length.steps_per_epoch
    assert fewer < section["min_steps"]
    assert bool(length.note()) == (length.factor > 1)


@given(numbers, st.integers(1, 900), st.integers(2, 16), st.integers(1, 1000))
def test_so_has_a_training(epochs, least, batch_size, images):
    length = training_length({"epochs": epochs, "min_steps": least, "batch_size": batch_size}, images)
    steps = max(images // batch_size, 1)
    assert length.epochs == epochs * max(1, math.ceil(least / (epochs * steps)))


def test_searches_and_trainings_have_that_length_and_say_so(workplace, capfd):
    workplace("short")
    changes = {"search": {"min_steps": 11, "threshold": 0.01}, "retrain": {"min_steps": 5}, "networks": ["erfnet"]}
    config = settings.complete(settings.merge(EXPERIMENT, changes))
    for stage in (0, 1):  # 2 and 1 epochs of 2 steps
        search(config, DATASET, 0, stage)
        assert read_json(paths.stage_metrics_path({}, DATASET, 0, stage))["epochs"] == (4, 2)[stage]
    retrain(config, DATASET, 0, "erfnet")  # 1 epoch of 4 steps
    assert read_json(paths.Path(paths.TRAINING.format(dataset=DATASET, seed=0, network="erfnet")))["iterations"] == 8
    printed = "".join(capfd.readouterr())
    assert "the search has 6 epochs instead of the configured 3, because an epoch has only 2 steps" in printed
    assert "the training has 2 epochs instead of the configured 1, because an epoch has only 4 steps" in printed


def test_an_experiment_with_enough_steps_has_its_configured_epochs(workplace):
    workplace("configured")
    search(experiment(min_steps=6), DATASET, 0, 0)
    assert read_json(paths.stage_metrics_path({}, DATASET, 0, 0))["epochs"] == 2
