"""The configuration that `fit` writes: every value survives as YAML, and every choice has a reason next to it."""

from pathlib import Path

import pytest
import yaml
from plans import plan

from ssr_mmseg import settings
from ssr_mmseg.fit.config_file import as_yaml, config_path, experiment, rival_name, run_command, threads
from ssr_mmseg.fit.request import FitRequest
from ssr_mmseg.settings.rivals import configured_networks

FACTS = {"data": "3 classes; 300 images", "device": "an abacus"}
ENTRY = {
    "type": "folder",
    "source": "pictures: of 2026 #1",
    "size": [1, 1],
    "label_map": {"#000000": "ground", "255": "the sea"},
    "split": {"val": 0.15, "test": 0.15, "seed": 0},
}


def request(**changes) -> FitRequest:
    values = {"source": Path("pictures"), "entry": ENTRY, "name": "garden", "ms": 8.0, "hours": 2.0, "device": "cpu"}
    values |= {"backend": "onnxruntime", "precision": "fp32", "size": None, "cores": 2, "rivals": (), "license": None}
    return FitRequest(**{**values, "command": "ssr-mmseg fit pictures --ms 8", **changes})


@pytest.mark.parametrize("hours", [0.5, 300])
@pytest.mark.parametrize("cuda", [False, True])
def test_what_is_written_is_read_as_what_was_planned(tmp_path, hours, cuda):
    made = plan(hours=hours)
    config = experiment(request(hours=hours, license="CC BY 4.0: free"), ENTRY, made, 3, cuda)
    text = as_yaml(request(), config, made, FACTS)
    assert yaml.safe_load(text) == config
    (tmp_path / "garden.yaml").write_text(text, encoding="utf-8")
    read = settings.read_config(tmp_path / "garden.yaml")
    assert read["datasets"]["garden"]["size"] == list(made.size)
    assert read["search"]["cost"] == made.cost(3)
    assert read["recommend"] == {"latency_ms": 8.0, "backend": "onnxruntime", "license": "CC BY 4.0: free"}
    assert read["networks"] == list(made.lengths.networks)
    lines = text.splitlines()
    for key in config:
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key}:"))
        assert lines[place - 1].startswith("# "), f"{key} has no reason"


def test_the_commands_in_it_are_those_that_made_it_and_run_it(tmp_path):
    made = plan()
    lines = as_yaml(request(), experiment(request(), ENTRY, made, 3, False), made, FACTS).splitlines()
    assert lines[0] == "# Written by: ssr-mmseg fit pictures --ms 8"
    assert run_command(request()) in lines[1]
    assert f"--configfile {config_path(request())}" in lines[1]


def test_rivals_are_networks_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("yolo26n-sem.onnx").write_bytes(b"a file that is read later")
    rivals = request(rivals=(Path("yolo26n-sem.onnx"),))
    read = settings.complete(experiment(rivals, ENTRY, plan(), 3, False))
    assert read["networks"][-1]["onnx"] == "yolo26n-sem.onnx"
    assert configured_networks(read)[-1] == "yolo26n_sem"


def test_a_rival_gets_a_name_that_paths_can_have():
    assert rival_name("yolo26n-sem (v2).best") == "yolo26n_sem__v2__best"


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
@pytest.mark.parametrize("networks", [2, 4])
def test_trainings_share_the_cores(cores, networks):
    assert 1 <= threads(cores, networks)["search"] <= cores
    assert threads(cores, networks)["retrain"] * min(networks, cores) <= cores
