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
    run(tmp_path, "--short", "0.5", "--seeds", "0", "3")
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
    whole = settings.read_config(paths.PROJECT / "config/config.yaml")["retrain"]["epochs"]
    assert trainings.pop("the rest")
    assert trainings == {
        "scratch": (whole, None),
        "inherited": (whole, "supernet"),
        "scratch_short": (whole // 2, None),
        "inherited_short": (whole // 2, "supernet"),
    }


def test_results_are_compared_seed_by_seed(tmp_path):
    run(tmp_path, "--seeds", "0", "1", "2")
    assert run(tmp_path, "--record", "own.json", status=2).startswith("inherited_weights: no results of runs/own")
    config = settings.read_config(tmp_path / "runs/own/inherited.yaml")
    for name, scores in {"scratch": (40.0, 50.0, 60.0), "inherited": (41.0, 52.0, None)}.items():
        for seed, miou in enumerate(scores):
            if miou is not None:
                place = {"dataset": name, "seed": seed, "network": "searched"}
                file = tmp_path / paths.result_path(config, paths.EVALUATION, **place)
                write_json(file, {"val": {"miou": miou}})
                write_json(tmp_path / paths.result_path(config, paths.TRAINING, **place), {"hours": 0.5})
    printed = run(tmp_path, "--record", "own.json")
    assert printed.startswith("inherited minus scratch: +1.50 (-4.85 to +7.85), 2 seeds")  # 1.5 ± 0.5 · 12.706
    record = read_json(tmp_path / "own.json")
    assert [row["compared_with"] for row in record["comparisons"]] == ["scratch"]
    assert len(record["runs"]) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "no.yaml"], "no.yaml"),
        (["--config", "config/camvid.yaml", "--short", "2"], "expected a number from 0 to 1"),
        (["--record", "own.json"], "runs/own/inherited.yaml"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, arguments, words):
    printed = run(tmp_path, *arguments, status=2)
    assert words in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.rglob("*.yaml"))
