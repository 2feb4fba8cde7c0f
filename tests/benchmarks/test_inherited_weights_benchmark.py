"""The experiment of benchmarks/inherited_weights.py differs in start and length alone, and its results are paired."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.files import read_json, write_json


def run(folder: Path, *arguments: str, status: int = 0) -> str:
    call = subprocess.run(
        [sys.executable, str(paths.PROJECT / "benchmarks/inherited_weights.py"), "--out", "runs/own", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(paths.PROJECT)},
        capture_output=True,
        text=True,
    )
    assert call.returncode == status, call.stderr
    return call.stdout or call.stderr


def test_starts_and_lengths_are_all_that_differs(tmp_path, monkeypatch):
    run(tmp_path, "--epochs", "3", "9", "--seeds", "0", "3")
    monkeypatch.chdir(paths.PROJECT)
    config = settings.read_config(tmp_path / "runs/own/inherited.yaml")
    assert (config["name"], config["seeds"], config["networks"]) == ("own", [0, 3], ["searched"])
    trainings = {}
    for name in settings.dataset_names(config):
        scenario = settings.for_dataset(config, name)
        training = scenario["retrain"]
        trainings[name] = (training.pop("epochs"), training.pop("weights"))
        scenarios = (scenario["dataset"] | {"name": ""}, scenario["search"], training)
        assert scenarios == trainings.setdefault("the rest", scenarios)
    assert trainings.pop("the rest")
    assert trainings == {
        "scratch_3": (3, None),
        "inherited_3": (3, "supernet"),
        "scratch_9": (9, None),
        "inherited_9": (9, "supernet"),
    }


def test_results_are_compared_seed_by_seed(tmp_path):
    run(tmp_path, "--seeds", "0", "1", "2")
    assert run(tmp_path, "--record", "own.json", status=2).startswith("inherited_weights: no results of runs/own")
    config = settings.read_config(tmp_path / "runs/own/inherited.yaml")
    results = {"scratch_4": (40.0, 50.0, 60.0), "scratch_8": (42.0, 52.0, 62.0), "inherited_4": (41.0, 52.0, None)}
    for name, scores in results.items():
        for seed, miou in enumerate(scores):
            if miou is not None:
                place = {"dataset": name, "seed": seed, "network": "searched"}
                write_json(tmp_path / paths.result_path(config, paths.EVALUATION, **place), {"val": {"miou": miou}})
    printed = run(tmp_path, "--record", "own.json").splitlines()
    assert [line.split(" | p")[0].rpartition(" | ")[0] for line in printed[2:]] == [
        "| 4 | 4 | 2 | +1.50 (-4.85 to +7.85)",  # 1.5 ± 0.5 · 12.706
        "| 4 | 8 | 2 | -0.50 (-6.85 to +5.85)",
    ]
    record = read_json(tmp_path / "own.json")
    assert [(row["inherited_epochs"], row["scratch_epochs"]) for row in record["comparisons"]] == [(4, 4), (4, 8)]
    assert len(record["runs"]) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "no.yaml"], "no.yaml"),
        (["--config", "empty.json"], "empty.json has 0 datasets, expected one"),
        (["--epochs", "0"], "expected an integer from 1"),
        (["--record", "own.json"], "runs/own/inherited.yaml"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, arguments, words):
    (tmp_path / "empty.json").write_text("[]")
    printed = run(tmp_path, *arguments, status=2)
    assert words in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.rglob("*.yaml"))
