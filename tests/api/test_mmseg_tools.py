"""Results are mmseg models: mmsegmentation's tools, `init_model` and `MMSegInferencer` work on them as they stand."""

import ast
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from patience import PATIENCE
from tiny_experiment import DATASET

from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.utils.errors import UserError

TOOLS = Path(mmseg.__file__).parent / ".mim/tools"


def run_tool(folder: Path, name: str, *arguments: object) -> str:
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(TOOLS / name), *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_config_is_complete_and_the_one_that_was_trained(here, network):
    path = here.network(network) / "config.py"
    text = path.read_text()
    names = [node.targets[0].id for node in ast.parse(text).body]  # assignments only, so without imports
    assert "_base_" not in names
    assert str(here.folder) not in text
    trained = Experiment(here.config, DATASET, 0).retrain_config(
        network, genotype_for(here.config, network, DATASET, 0)
    )
    assert Config.fromfile(path).to_dict() == trained.to_dict()


def test_mmsegs_test_tool_measures_the_accuracy_in_evaluation_json(results, network, tmp_path):
    folder = results.network(network)
    printed = run_tool(results.folder, "test.py", folder / "config.py", folder / "weights.pth", "--work-dir", tmp_path)
    expected = results.evaluation(network)["test"]
    totals = {name: float(value) for name, value in re.findall(r"(aAcc|mIoU): ([\d.]+)", printed)}
    assert totals == {"aAcc": round(expected["pixel_accuracy"], 2), "mIoU": round(expected["miou"], 2)}
    rows = dict(re.findall(r"^\| +(\w+) +\| +([\d.]+|nan) +\|", printed, re.MULTILINE))
    iou = {name: "nan" if value is None else str(round(value, 2)) for name, value in expected["iou"].items()}
    assert rows == iou


def test_mmsegs_training_tool_trains_the_same_network(results, network, tmp_path, monkeypatch):
    folder = results.network(network)
    run_tool(results.folder, "train.py", folder / "config.py", "--work-dir", tmp_path)
    (checkpoint,) = tmp_path.glob("epoch_*.pth")
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    again = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]  # written by this test
    weights = load_weights(folder / "weights.pth")
    assert list(again) == list(weights)
    assert all(torch.equal(again[name], value) for name, value in weights.items())


def test_mmsegs_interfaces_give_the_label_maps_of_the_evaluation(here, network, evaluated, monkeypatch):
    def refuse(*_):
        raise AssertionError("a result must be usable offline")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    folder = here.network(network)
    files = [str(folder / name) for name in ("config.py", "weights.pth")]
    model, inferencer = init_model(*files, device="cpu"), MMSegInferencer(*files, device="cpu", show_progress=False)
    assert model.dataset_meta["classes"][:2] == ["Sky", "Building"]
    assert len(model.dataset_meta["palette"]) == len(model.dataset_meta["classes"]) == 11
    for image, labels in evaluated.items():
        assert torch.equal(inference_model(model, image).pred_sem_seg.data.squeeze(0), labels)
        output = inferencer(image, return_vis=True)
        assert torch.equal(torch.from_numpy(output["predictions"]), labels)
        assert output["visualization"].shape == (*labels.shape, 3)


@pytest.mark.parametrize("content", [{}, {"state_dict": 3}, {"model": None}, {"state_dict": {}, "meta": 1}])
def test_a_file_without_weights_is_refused(tmp_path, content):
    save_state(tmp_path / "weights.pth", content)
    with pytest.raises(UserError, match=r"weights\.pth has no weights of a network"):
        load_weights(tmp_path / "weights.pth")
