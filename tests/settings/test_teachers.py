"""The section `retrain.distill`: which trainings it applies to, and what they depend on."""

from pathlib import Path
from typing import Any

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings.start_weights import SUPERNET
from ssr_mmseg.settings.teachers import DEFAULTS, distillation, teacher_training
from ssr_mmseg.utils.errors import UserError

STREETS = {"type": "streets", "size": [64, 64]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complete(teacher: str | None = "erfnet", **changes: Any) -> dict:
    retrain = {"distill": {"teacher": teacher} if teacher else None}
    town = {**STREETS, "retrain": {**retrain, **changes.pop("retrain", {})}}
    return settings.complete({"datasets": {"town": town}, "networks": ["searched", "fast_scnn"], **changes})


def identity(config: dict, network: str, stage: str = "retrain") -> str:
    return settings.stage_identity(config, stage, "town", 0, network)


def test_the_teacher_has_no_teacher_and_all_others_have_it():
    config = complete(networks=["searched", "erfnet", "fast_scnn"])
    assert distillation(config, "town", "erfnet") is None
    assert distillation(config, "town", "fast_scnn") == {**DEFAULTS, "teacher": "erfnet"}
    assert teacher_training(config, "town", 3, "searched") == ("town", 3, "erfnet")
    assert teacher_training(complete("mutual"), "town", 3, "searched") is None
    assert teacher_training(complete(None), "town", 3, "searched") is None


def test_a_teacher_that_no_search_makes_is_trained_once_for_all_targets():
    cost = {"cost": {"type": "macs", "target": [0.1, 0.2]}}
    config = complete(search=cost)
    assert teacher_training(config, "town@0.1", 0, "searched") == ("town", 0, "erfnet")
    assert teacher_training(complete("random", search=cost), "town@0.1", 0, "searched") == ("town@0.1", 0, "random")


def test_a_training_depends_on_its_teacher_alone():
    config, without = complete(), complete(None)
    assert identity(config, "fast_scnn") != identity(without, "fast_scnn")
    assert identity(config, "erfnet") == identity(without, "erfnet"), "the teacher may be trained already"
    assert identity(config, "searched", "discretize") == identity(without, "searched", "discretize")
    longer = complete(retrain={"epochs": 7})
    assert identity(longer, "fast_scnn") != identity(config, "fast_scnn")
    mutual = identity(complete("mutual"), "fast_scnn")
    assert mutual not in (identity(config, "fast_scnn"), identity(without, "fast_scnn"))


def test_defaults_and_their_values_are_the_same_training():
    written = complete(retrain={"distill": {"teacher": "erfnet", **DEFAULTS}})
    assert identity(written, "fast_scnn") == identity(complete(), "fast_scnn")
    changed = complete(retrain={"distill": {"teacher": "erfnet", "logits": 1.0}})
    assert identity(changed, "fast_scnn") != identity(complete(), "fast_scnn")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"teacher": "erfnett"}, "retrain.distill.teacher: unknown network erfnett; did you mean erfnet? known are: "),
        ({"teacher": "yolo"}, "retrain.distill.teacher: unknown network yolo;"),
        (
            {"retrain": {"weights": SUPERNET}, "networks": ["fast_scnn"]},
            "supernet has the weights of the network se",
        ),
        ({"retrain": {"distill": {"teacher": "erfnet", "logits": -1.0}}}, "retrain.distill.logits: expected a number"),
        (
            {"retrain": {"distill": {"teacher": "erfnet", "warmth": 1}}},
            "unknown key warmth at retrain.distill; known",
        ),
        ({"retrain": {"distill": {}}}, "teacher"),
        ({"networks": ["erfnet"]}, "retrain.distill.teacher: erfnet is the only network; add one that learns"),
        ({"retrain": {"distill": {"teacher": "mutual", "logits": 0.0}}}, "logits and features are 0; set one of them"),
        ({"retrain": {"weights": "start.pth"}}, "start.pth is one file for 2 networks; write {network} in place"),
    ],
)
def test_mistakes_are_one_line(changes, problem):
    rival = {"name": "yolo", "onnx": "yolo.onnx"}
    Path("yolo.onnx").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        complete(**{"networks": ["fast_scnn", rival] if changes.get("teacher") == "yolo" else ["fast_scnn"], **changes})
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_searched_network_inherits_and_the_others_do_not():
    config, without = complete(None, retrain={"weights": SUPERNET}), complete(None)
    last = config["search"]["shrink_stages"]
    assert settings.start_weights(config, "town", 0, "searched") == Path(f"results/town/seed0/shrink{last}/state.pth")
    assert settings.start_weights(config, "town", 0, "fast_scnn") is None
    assert identity(config, "searched") != identity(without, "searched")
    assert identity(config, "fast_scnn") == identity(without, "fast_scnn")
