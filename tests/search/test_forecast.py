"""The forecast times real steps and predicts that stages get cheaper as a search shrinks."""

import math

import pytest
from tiny_experiment import DATASET, experiment

from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.architecture.structure import structure_from_json
from ssr_mmseg.search.single_path import SinglePathStep
from ssr_mmseg.stages import forecast as forecast_stage
from ssr_mmseg.stages.forecast import KEPT, forecast, smallest_structure, table


def test_stages_follow_the_model_from_two_measurements(workplace):
    folder = workplace("forecast")
    config = experiment(shrink_stages=2, shrink_epochs=3)
    result = forecast(config, DATASET, 0, 1)
    whole, small = result["measured"]["whole"], result["measured"]["small"]
    assert min(whole["seconds_per_step"], small["seconds_per_step"], small["peak_gb"]) > 0
    assert [stage["epochs"] for stage in result["stages"]] == [2, 3, 3]
    assert [stage["steps"] for stage in result["stages"]] == [4, 6, 6], "8 images per half, 4 per step"
    for k, stage in enumerate(result["stages"]):
        for key in ("seconds_per_step", "peak_gb"):
            assert stage[key] == pytest.approx(small[key] + KEPT**k * (whole[key] - small[key]))
        assert stage["hours"] == pytest.approx(stage["steps"] * stage["seconds_per_step"] / 3600)
    assert math.isclose(result["hours"], sum(stage["hours"] for stage in result["stages"]))
    lines = table(result).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("shrink 1")
    assert not (folder / "results/work").exists(), "a forecast leaves no work folder"


def test_epochs_of_the_warm_up_take_the_time_of_its_steps(workplace, monkeypatch):
    workplace("forecast")
    times = {"whole": 10.0, "small": 2.0, "warmup": 1.0}

    def measure(experiment, structure, steps, warmup=False):
        seconds = times["small" if structure else "warmup" if warmup else "whole"]
        return {"seconds_per_step": seconds, "peak_gb": 0.0, "steps_per_epoch": 2}

    monkeypatch.setattr(forecast_stage, "measure_step", measure)
    result = forecast(experiment(shrink_stages=2, shrink_epochs=3, warmup=0.5), DATASET, 0, 1)
    assert result["measured"]["warmup"] == {"epochs": 4, "seconds_per_step": 1.0}
    second, third = (2 + KEPT**k * 8 for k in (1, 2))
    expected = [1.0, (2 * 1.0 + second) / 3, third]
    assert [stage["seconds_per_step"] for stage in result["stages"]] == pytest.approx(expected)


def test_steps_of_the_warm_up_are_measured_as_the_search_runs_them(workplace, monkeypatch):
    workplace("forecast")
    steps, run = [], SinglePathStep.__call__

    def counted(self, batches, generator):
        steps.append(run(self, batches, generator))
        return steps[-1]

    monkeypatch.setattr(SinglePathStep, "__call__", counted)
    result = forecast(experiment(warmup=0.5), DATASET, 0, 1)
    assert len(steps) == 2, "one that is not counted, and one"
    assert result["measured"]["warmup"]["seconds_per_step"] > 0
    forecast(experiment(), DATASET, 0, 1)
    assert len(steps) == 2


def test_without_shrinking_every_stage_costs_the_same(workplace):
    workplace("forecast")
    result = forecast(experiment(shrink=False), DATASET, 0, 1)
    assert len({stage["seconds_per_step"] for stage in result["stages"]}) == 1


def test_more_steps_than_an_epoch_has_go_on_with_the_next_epoch(workplace):
    workplace("forecast")
    measured = forecast(experiment(), DATASET, 0, 5)["measured"]
    assert measured["whole"]["steps_per_epoch"] == 2
    assert measured["whole"]["seconds_per_step"] > 0


def test_the_smallest_supernet_has_one_operator_per_block():
    space = SearchSpace.from_settings(experiment()["search"])
    structure = structure_from_json(smallest_structure(space))
    assert [len(stage) for stage in structure] == [2, 2]
    for stage, blocks in zip(space.stages, structure, strict=True):
        for block in blocks:
            assert dict(block.mids) == {0: stage.channels}
            assert block.outputs == stage.channels
