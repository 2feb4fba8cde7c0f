"""The stage `evaluate` measures the exported file as `predict` runs it, and writes its pixels by image and class."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from PIL import Image
from small_experiment import NETWORK, configuration, make

from ssr_mmseg import settings
from ssr_mmseg.deploy.images import read_image
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.training.checkpoint.weights import save_weights
from ssr_mmseg.utils.files import read_json, sha256

WAVY = """\
_base_ = ["fast_scnn.py"]
model = dict(decode_head=dict(dw_act_cfg=dict(type="Wave")))
"""


class Wave(torch.nn.Module):
    """An activation that files for `predict` may not have."""

    def __init__(self, **_) -> None:
        super().__init__()

    def forward(self, x):
        return torch.tan(x)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        evaluate(config(), "town", 0, NETWORK)
    return folder


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def config(**changes) -> dict:
    return settings.complete(settings.merge(configuration(), {"evaluate": {"frames": 0, **changes}}))


def result(pattern: str, network: str = NETWORK) -> Path:
    return Path(pattern.format(dataset="town", seed=0, network=network))


def rows(network: str = NETWORK) -> list[dict]:
    with open(result(paths.PER_IMAGE, network), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_file_is_that_of_the_record(here):
    recorded = read_json(result(paths.EVALUATION))
    file = result(paths.EXPORTED)
    assert recorded["export_problem"] is None
    assert (recorded["exported"]["bytes"], recorded["exported"]["sha256"]) == (file.stat().st_size, sha256(file))
    assert recorded["exported"]["size"] == [32, 64]
    assert ExportedNetwork(file).metadata.head == "labels"


def test_images_of_the_network_s_size_are_segmented_as_by_pytorch(here):
    recorded = read_json(result(paths.EVALUATION))
    for split, images in (("val", 2), ("test", 1)):
        exported = recorded["exported"][split]
        assert exported["images"] == images
        assert exported["miou"] == pytest.approx(recorded[split]["miou"], abs=0.2)
        assert exported["pixel_accuracy"] == pytest.approx(recorded[split]["pixel_accuracy"], abs=0.2)


def test_rows_of_the_images_are_counts_of_the_predicted_labels(here):
    network = ExportedNetwork(result(paths.EXPORTED))
    manifest = read_json(Path(paths.MANIFEST.format(dataset="town")))
    counted = {}
    for split in ("val", "test"):
        for path in sorted((Path(manifest["root"]) / split / "images").iterdir()):
            (label_path,) = (Path(manifest["root"]) / split / "labels").glob(f"{path.stem}*")
            label, predicted = np.array(Image.open(label_path)), network.labels(read_image(path))
            for number, name in enumerate(manifest["classes"]):
                counts = [
                    int(np.sum((predicted == number) & (label == number))),
                    int(np.sum((predicted == number) & (label != 255))),
                    int(np.sum(label == number)),
                ]
                if counts[1] or counts[2]:
                    counted[split, path.name, name] = counts
    written = {
        (row["split"], row["image"], row["class"]): [int(row[k]) for k in ("intersection", "predicted", "labeled")]
        for row in rows()
    }
    assert written == counted


def test_sums_over_the_rows_give_the_recorded_accuracy(here):
    exported = read_json(result(paths.EVALUATION))["exported"]
    sums = defaultdict(lambda: np.zeros(3, np.int64))
    for row in rows():
        sums[row["split"], row["class"]] += [int(row[key]) for key in ("intersection", "predicted", "labeled")]
    for split in ("val", "test"):
        iou = {
            name: 100 * both / (predicted + labeled - both)
            for (part, name), (both, predicted, labeled) in sums.items()
            if part == split
        }
        recorded = {name: value for name, value in exported[split]["iou"].items() if value is not None}
        assert recorded == pytest.approx(iou, abs=1e-4)
        assert exported[split]["miou"] == pytest.approx(np.mean(list(iou.values())), abs=1e-4)
        both, _, labeled = np.sum([values for (part, _), values in sums.items() if part == split], axis=0)
        assert exported[split]["pixel_accuracy"] == pytest.approx(100 * both / labeled, abs=1e-4)


def test_without_export_there_is_no_file_and_no_row(tmp_path, monkeypatch):
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    result(paths.EXPORTED).parent.mkdir(parents=True)
    result(paths.EXPORTED).write_bytes(b"of an earlier run")
    evaluate(config(exported=False), "town", 0, NETWORK)
    recorded = read_json(result(paths.EVALUATION))
    assert (recorded["exported"], recorded["export_problem"]) == (None, None)
    assert recorded["val"]["images"] == 2
    assert not result(paths.EXPORTED).exists()
    assert rows() == []


def test_a_network_that_cannot_be_exported_is_evaluated_all_the_same(tmp_path, monkeypatch):
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(MODELS.module_dict, "Wave", Wave)
    folder = tmp_path / "config/mmseg/_base_/models"
    folder.mkdir(parents=True)
    for name in ("fast_scnn.py",):
        (folder / name).write_text((paths.PROJECT / "config/mmseg/_base_/models" / name).read_text())
    (folder / "wavy.py").write_text(WAVY)
    changed = settings.complete(settings.merge(config(), {"networks": ["wavy"]}))
    experiment = Experiment(changed, "town", 0)
    segmentor = experiment.build(experiment.network("wavy", None))
    save_weights(result(paths.WEIGHTS, "wavy"), segmentor.state_dict(), experiment.manifest, experiment.size)
    evaluate(changed, "town", 0, "wavy")
    recorded = read_json(result(paths.EVALUATION, "wavy"))
    assert recorded["exported"] is None
    assert "the operator 'Tan'" in recorded["export_problem"]
    assert recorded["test"]["images"] == 1
    assert not result(paths.EXPORTED, "wavy").exists()
    assert rows("wavy") == []
