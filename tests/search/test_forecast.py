"""The forecast times real steps, and reckons stages that get cheaper as a search shrinks."""

import math

import pytest
from tiny_experiment import DATASET, experiment

from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.architecture.structure import structure_from_json
from ssr_mmseg.stages.forecast import KEPT, forecast, smallest_structure, table
from ssr_mmseg.utils.errors import UserError


def test_stages_follow_the_model_from_two_measurements(workplace):
    folder = workplace("forecast")
    config = experiment(shrink_stages=2, shrink_epochs=3)
    found = forecast(config, DATASET, 0, 1)
    whole, small = found["measured"]["whole"], found["measured"]["small"]
    assert min(whole["seconds_per_step"], small["seconds_per_step"], small["peak_gb"]) > 0
    assert [stage["epochs"] for stage in found["stages"]] == [2, 3, 3]
    assert [stage["steps"] for stage in found["stages"]] == [4, 6, 6], "8 images a half, 4 a step"
    for k, stage in enumerate(found["stages"]):
        for key in ("seconds_per_step", "peak_gb"):
            assert stage[key] == pytest.approx(small[key] + KEPT**k * (whole[key] - small[key]))
        assert stage["hours"] == pytest.approx(stage["steps"] * stage["seconds_per_step"] / 3600)
    assert math.isclose(found["hours"], sum(stage["hours"] for stage in found["stages"]))
    lines = table(found).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("shrink 1")
    assert not (folder / "results/work").exists(), "a forecast leaves nothing behind"


def test_without_shrinking_every_stage_costs_the_same(workplace):
    workplace("forecast")
    found = forecast(experiment(shrink=False), DATASET, 0, 1)
    assert len({stage["seconds_per_step"] for stage in found["stages"]}) == 1


def test_more_steps_than_an_epoch_has_are_refused(workplace):
    workplace("forecast")
    with pytest.raises(UserError, match="an epoch has 2 steps, 6 are needed; ask for fewer --steps"):
        forecast(experiment(), DATASET, 0, 5)


def test_the_smallest_supernet_has_one_operator_per_block():
    space = SearchSpace.from_settings(experiment()["search"])
    structure = structure_from_json(smallest_structure(space))
    assert [len(stage) for stage in structure] == [2, 2]
    for stage, blocks in zip(space.stages, structure, strict=True):
        for block in blocks:
            assert dict(block.mids) == {0: stage.channels}
            assert block.outputs == stage.channels
