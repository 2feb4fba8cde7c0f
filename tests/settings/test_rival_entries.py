"""Rivals by file in a configuration: names, files, jobs and identities."""

from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs.changes import changes
from ssr_mmseg.jobs.job import Job, jobs
from ssr_mmseg.settings.named_configs import named_configs
from ssr_mmseg.settings.rivals import configured_kind, configured_networks, rival_entry, trained_networks
from ssr_mmseg.settings.scenario import table_networks
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

YOLO = {"onnx": "rivals/yolo.onnx", "name": "yolo"}
TOWN = {"town": {"type": "streets", "size": [64, 64]}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rivals").mkdir()
    Path("rivals/yolo.onnx").write_bytes(b"first")


def experiment(*networks, **changed):
    return settings.complete({"datasets": TOWN, "networks": list(networks), **changed}, "my.yaml")


def test_all_but_the_settings_see_names():
    config = experiment("erfnet", YOLO)
    assert configured_networks(config) == ["erfnet", "yolo"]
    assert trained_networks(config) == ["erfnet"]
    assert [network.label for network in table_networks(config, "town")] == ["erfnet", "yolo"]
    assert rival_entry(config, "erfnet") is None
    assert rival_entry(config, "yolo") == YOLO
    assert (configured_kind(config, "yolo"), configured_kind(config, "erfnet")) == ("rival", "baseline")
    assert not [named for named in named_configs(config) if "yolo" in named.name]


def test_a_rival_is_evaluated_and_profiled_without_a_training():
    planned = [(job.stage, job.network) for job in jobs(experiment(YOLO)) if job.dataset]
    assert planned == [("prepare", ""), ("evaluate", "yolo"), ("profile", "yolo")]


def test_it_takes_no_weights_to_start_from():
    Path("start.pth").write_bytes(b"")
    experiment("erfnet", YOLO, retrain={"weights": "start.pth"})  # one file for one trained network
    with pytest.raises(UserError, match="is one file for 2 networks"):
        experiment("erfnet", "fast_scnn", YOLO, retrain={"weights": "start.pth"})


def test_numbers_of_classes_may_be_written_as_numbers():
    config = experiment({**YOLO, "classes": {0: "road", 7: None}})
    assert rival_entry(config, "yolo")["classes"] == {"0": "road", "7": None}


@pytest.mark.parametrize("name", ["searched", "random", "random_2", "erfnet", "paper_cityscapes", "yolo"])
def test_the_name_of_another_network_is_refused(name):
    with pytest.raises(
        UserError, match=f"my.yaml: networks: the rival {name} has the name of another network; give it"
    ):
        experiment({**YOLO, "name": name}, {**YOLO, "name": "yolo", "preprocess": {"scale": 1.0}}, "darts_pt")


def test_a_missing_file_is_one_line_while_planning():
    with pytest.raises(UserError, match="the rival yolo has no file: file rivals/none"):
        experiment({**YOLO, "onnx": "rivals/none.onnx"})


@pytest.mark.parametrize("stage", ["evaluate", "profile"])
def test_content_and_settings_of_a_file_are_part_of_the_result_and_its_place_is_not(stage):
    config = experiment(YOLO)
    job = Job.of(config, stage, "town", 0, "yolo")
    write_json(
        job.output(stage if stage == "profile" else "evaluation"),
        {"made_from": settings.made_from(config, stage, "town", 0, "yolo")},
    )
    assert changes(config, job) == []
    Path("rivals/moved.onnx").write_bytes(b"first")
    assert changes(experiment({**YOLO, "onnx": "rivals/moved.onnx"}), job) == []
    assert changes(experiment({**YOLO, "preprocess": {"scale": 1.0}}), job) == [
        "networks.yolo.preprocess.scale 255.0 → 1.0"
    ]
    assert changes(experiment(YOLO, retrain={"epochs": 3}), job) == []
    assert changes(experiment({**YOLO, "preprocess": {"scale": 255.0}}), job) == []
    Path("rivals/yolo.onnx").write_bytes(b"other")
    assert changes(config, job) == ["the file of yolo changed"]
