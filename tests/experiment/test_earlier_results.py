"""Weights that are not those of the experiment's training: every stage that reads them refuses them."""

import shutil
from pathlib import Path

import pytest
import small_experiment
import torch
from small_experiment import NETWORK, WEIGHTS

from ssr_mmseg import settings
from ssr_mmseg.deploy.export import ExportOptions
from ssr_mmseg.experiment.earlier_results import weights_origin
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.export import export_network
from ssr_mmseg.stages.profile import profile
from ssr_mmseg.training.checkpoint.origin import KEY
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError

STAGES = {
    "evaluate": evaluate,
    "profile": profile,
    "export": lambda *names: export_network(*names, Path("net.onnx"), ExportOptions()),
}


def run(stage: str) -> None:
    STAGES[stage](small_experiment.configuration(weights="trained"), "town", 0, NETWORK)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    small_experiment.make(folder)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch) -> Path:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def rewrite(change) -> None:
    """Write the weights again, with what `change` does to them and the origin of the training."""
    content = load_state(WEIGHTS)
    identity = settings.stage_identity(small_experiment.configuration(weights="trained"), "retrain", "town", 0, NETWORK)
    content["meta"][KEY] = weights_origin(identity, "town", 0, NETWORK)
    change(content)
    save_state(WEIGHTS, content)


def refused(stage: str, match: str) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(UserError, match=match) as caught:
        run(stage)
    assert "\n" not in str(caught.value)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("seed", 1, "seed 1, expected 0"),
        ("network", "erfnet", f"network erfnet, expected {NETWORK}"),
        ("dataset", "city", "dataset city, expected town"),
        ("identity", "0123", "identity 0123, expected "),
    ],
)
def test_weights_of_another_training_are_refused(here, stage, key, value, match):
    rewrite(lambda content: content["meta"][KEY].update({key: value}))
    refused(stage, rf"weights\.pth has the weights of another training \({match}.*put back the right one, or delete it")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(here, stage, value):
    name = "decode_head.conv_seg.weight"
    rewrite(lambda content: content["state_dict"][name].view(-1)[2:3].fill_(value))
    refused(stage, rf"weights\.pth: {name} has a value that is not finite; delete it and train the network again")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("weights", [3, {}, [1], {"x": torch.zeros(1)}, {1: 2}])
def test_what_are_no_weights_of_the_network_is_refused(here, stage, weights):
    rewrite(lambda content: content.update(state_dict=weights))
    refused(stage, rf"weights\.pth (are not the weights of {NETWORK}: .* is missing|has no weights of a network)")


def test_the_right_weights_are_used_without_a_word(here, capfd):
    rewrite(lambda content: None)
    run("evaluate")
    assert "does not say" not in "".join(capfd.readouterr())


def test_weights_of_an_earlier_version_are_used_with_one_line(here, capfd):
    rewrite(lambda content: content["meta"].pop(KEY))
    run("evaluate")
    assert "".join(capfd.readouterr()).count("weights.pth does not say which training it is of") == 1
