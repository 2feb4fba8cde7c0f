"""The table of stages: names of jobs, and functions and rules that exist for every entry."""

import re

import pytest

from ssr_mmseg.commands import load
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.settings.stage_table import STAGES, search_stage

RULES = "".join(path.read_text() for path in sorted((PROJECT / "workflow/rules").glob("*.smk")))


@pytest.mark.parametrize(
    ("stage", "values", "name"),
    [
        ("prepare", {"dataset": "town"}, "prepare/town"),
        ("search", {"dataset": "town", "seed": 0}, "search/town-seed0"),
        ("shrink", {"dataset": "town", "seed": 0, "stage": 2}, "shrink/town-seed0-2"),
        (
            "retrain",
            {"dataset": "ablation/ssr-keep-joint", "seed": 3, "network": "erfnet"},
            "retrain/ablation/ssr-keep-joint-seed3-erfnet",
        ),
        ("table", {}, "table"),
    ],
)
def test_a_job_is_named_by_its_stage_and_the_values_of_its_wildcards(stage, values, name):
    assert STAGES[stage].job_name(**values) == name
    assert STAGES[stage].log.format(**values) == f"results/logs/{name}.log"


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_every_stage_has_a_function_and_a_rule(stage):
    assert callable(load(stage.function))
    (rule,) = re.findall(rf"^rule {stage.name}:\n((?:    .*\n|\n)+)", RULES, re.MULTILINE)
    assert f'log_file("{stage.name}")' in rule
    assert f'command("{stage.name}"' in rule
    for pattern in stage.outputs.values():
        fields = set(re.findall(r"{(\w+)}", pattern))
        assert fields == set(stage.wildcards), "all results of a stage have the same wildcards"


def test_every_rule_is_a_stage():
    assert set(re.findall(r"^rule (\w+):", RULES, re.MULTILINE)) == set(STAGES)


def test_a_job_has_the_arguments_of_its_command():
    words = STAGES["latency_table"].arguments(dataset="town", seed=3)
    assert words == ["latency-table", "--dataset", "town"]
    words = search_stage(2).arguments(dataset="town", seed=3, stage=2)
    assert words == ["shrink", "--dataset", "town", "--seed", "3", "--stage", "2"]
