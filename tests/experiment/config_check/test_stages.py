"""Stages that are started directly report a mistake in their mmengine config as the plan does."""

import pytest
import yaml
from tiny_experiment import DATASET, EXPERIMENT

from ssr_mmseg.cli import main

WHERE = ("--config", "own.yaml", "--dataset", DATASET)


@pytest.fixture
def prepared(configs, capfd):
    (configs.parent.parent / "own.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    assert main(["prepare", *WHERE]) == 0
    capfd.readouterr()
    return configs


@pytest.mark.parametrize(
    ("command", "name", "line", "message"),
    [
        (
            ("search", *WHERE),
            "supernet_streets.py",
            "custom_hooks = [dict(type='ShrinkinHook')]",
            "custom_hooks[0].type: unknown hook ShrinkinHook; did you mean ShrinkingHook?",
        ),
        (
            ("retrain", *WHERE, "--network", "erfnet"),
            "ssrnet_streets.py",
            "optim_wrapper = dict(optimizer=dict(weigth_decay=1))",
            "optim_wrapper.optimizer.weigth_decay: Adam has no argument weigth_decay; did you mean weight_decay?",
        ),
        (
            ("retrain", *WHERE, "--network", "erfnet"),
            "_base_/models/erfnet.py",
            "model['backbone']['dropout'] = 1",
            "model.backbone.dropout: ERFNet has no argument dropout; did you mean dropout_ratio?",
        ),
    ],
)
def test_a_stage_ends_with_the_line_of_the_plan(prepared, capfd, command, name, line, message):
    with open(prepared / name, "a") as file:
        file.write(f"\n{line}\n")
    assert main(command) == 2
    assert capfd.readouterr().err == f"ssr-mmseg: config/mmseg/{name}: {message}\n"
    results = prepared.parent.parent / "results"
    assert not (results / "work").exists()
    assert not list(results.glob(f"{DATASET}/seed*"))
