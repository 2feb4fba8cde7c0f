"""Trainings of a few steps with a teacher, or with a second copy of the network."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spaces import SPACE
from tiny_experiment import DATASET, assert_same_state
from tiny_experiment import EXPERIMENT as TINY
from training_folder import enter_copy, interrupt_third_step

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.jobs import preemption
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, sha256

CONFIG = f"_base_ = ['{paths.PROJECT}/config/mmseg/ssrnet_streets.py']\n"
BASELINES = sorted(
    path.stem
    for path in (paths.PROJECT / "config/mmseg/_base_/models").glob("*.py")
    if path.stem not in ("supernet", "ssrnet")
)


def complete(distill: dict | None, **changes: Any) -> dict:
    return settings.complete(
        settings.merge(
            {
                **TINY,
                "networks": ["tiny"],
                "retrain": {"epochs": 2, "min_steps": 1, "batch_size": 4, "config": "retrain.py", "distill": distill},
                "monitor": {"validation": 0},
            },
            changes,
        )
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """Folder with prepared data, the networks `tiny` and `large`, and a trained `large`."""
    folder = tmp_path_factory.mktemp("teachers")
    (folder / "config/genotypes").mkdir(parents=True)
    (folder / "retrain.py").write_text(CONFIG)
    for seed, name in enumerate(("tiny", "large")):
        genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed)), name)
        genotype.write(folder / f"config/genotypes/{name}.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(preemption, "GRACE", 3600.0)
        config = complete({"teacher": "large"})
        prepare(settings.for_dataset(config, DATASET)["dataset"], Path(paths.MANIFEST.format(dataset=DATASET)).parent)
        retrain(config, DATASET, 0, "large")
    return folder


@pytest.fixture
def workplace(prepared, tmp_path, monkeypatch) -> Path:
    """A copy of that folder, as the working directory."""
    return enter_copy(prepared, tmp_path, monkeypatch)


def result(pattern: str, network: str = "tiny") -> Path:
    return Path(pattern.format(dataset=DATASET, seed=0, network=network))


def trained(config: dict, network: str = "tiny") -> tuple[dict[str, torch.Tensor], dict]:
    """Train, and return weights and record."""
    retrain(config, DATASET, 0, network)
    return load_weights(result(paths.WEIGHTS, network)), read_json(result(paths.TRAINING, network))


def without_weight(config: dict) -> dict:
    """Return a complete configuration with terms of weight 0, which `complete` refuses."""
    return settings.merge(config, {"retrain": {"distill": {"logits": 0.0}}})


def differ(ours: dict, theirs: dict) -> bool:
    return any(not torch.equal(ours[name], theirs[name]) for name in ours if ours[name].is_floating_point())


def test_the_teacher_learns_from_the_labels_alone(workplace):
    record = read_json(result(paths.TRAINING, "large"))
    assert record["teacher"] is None
    assert not any("distill" in key for key in record["history"][-1])


@pytest.mark.parametrize("terms", [{"logits": 3.0}, {"logits": 0.0, "features": 5.0}, {"features": 1.0}])
def test_a_network_learns_from_its_teacher(workplace, terms):
    plain, without = trained(complete(None))
    taught, record = trained(complete({"teacher": "large", **terms}))
    assert without["teacher"] is None
    assert record["teacher"] == f"large {sha256(result(paths.WEIGHTS, 'large'))[:12]}"
    assert taught.keys() == plain.keys(), "the teacher is no part of the network"
    assert differ(taught, plain)
    weights = {"logits": 3.0, "features": 0.0, **terms}
    named = {f"distill.loss_{key}" for key, weight in weights.items() if weight}
    assert {key for key in record["history"][-1] if "distill" in key} == named
    assert all(record["history"][-1][key] > 0 for key in named)


def test_without_weight_a_teacher_changes_nothing(workplace):
    plain, _ = trained(complete(None))
    taught, _ = trained(without_weight(complete({"teacher": "large"})))
    assert not differ(plain, taught)


@pytest.mark.parametrize("distill", [{"teacher": "large", "features": 1.0}, {"teacher": "mutual", "features": 1.0}])
def test_an_interrupted_training_with_a_teacher_ends_the_same(workplace, distill):
    config = complete(distill)
    expected, _ = trained(config)
    expected_state = load_state(next(Path("results/work").rglob("*tiny*/state.pth")))
    result(paths.WEIGHTS).unlink()
    for state in Path("results/work").rglob("*tiny*/state.pth"):
        state.unlink()
    interrupt_third_step(config, DATASET, "tiny")
    resumed, _ = trained(config)
    assert not differ(resumed, expected)
    assert_same_state(load_state(next(Path("results/work").rglob("*tiny*/state.pth"))), expected_state)


def test_two_copies_teach_each_other(workplace):
    plain, _ = trained(complete(None))
    taught, record = trained(complete({"teacher": "mutual"}))
    assert record["teacher"] == "mutual"
    assert taught.keys() == plain.keys()
    assert differ(taught, plain)
    states = [load_state(path) for path in Path("results/work").rglob("*tiny*/state.pth")]
    (state,) = [state for state in states if "MutualHook" in state["hooks"]]
    second = state["hooks"]["MutualHook"]
    assert differ(state["model"], second["model"]), "they start from other weights"
    assert {int(entry["step"]) for entry in second["optimizer"]["state"].values()} == {record["iterations"]}
    alone, _ = trained(without_weight(complete({"teacher": "mutual"})))
    assert not differ(alone, plain), "the second copy changes nothing but by the terms of the loss"


@pytest.mark.parametrize("network", BASELINES)
def test_every_baseline_can_learn_and_teach(workplace, network):
    """A network whose head has several outputs learns with each of them that has the classes."""
    config = complete({"teacher": "large", "features": 1.0}, networks=[network], retrain={"epochs": 1})
    config["datasets"][DATASET]["size"] = [64, 64]
    experiment = Experiment(config, DATASET, 0)
    student = experiment.retrain_config(network, None)
    hook = next(hook for hook in student["custom_hooks"] if hook["type"] == "TeacherHook")
    assert hook["model"] == experiment.network("large", genotype_for(config, "large", DATASET, 0))
    _, record = trained(config, network)
    assert record["history"][-1]["distill.loss_logits"] > 0
    config = complete({"teacher": network, "features": 1.0}, retrain={"epochs": 1})
    config["datasets"][DATASET]["size"] = [64, 64]
    shutil.rmtree(result(paths.WEIGHTS, "tiny").parent, ignore_errors=True)
    _, record = trained(config)
    assert record["teacher"].startswith(f"{network} ")


def test_candidates_of_selectors_have_no_teacher(workplace):
    experiment = Experiment(complete({"teacher": "large"}), DATASET, 0)
    genotype = genotype_for({}, "tiny", DATASET, 0)
    runner = experiment.candidate_runner("tiny", genotype, Path("work"), Path("work/progress.json"))
    assert not any(type(hook).__name__ == "TeacherHook" for hook in runner.hooks)


def test_weights_that_are_not_the_teachers_are_refused(workplace):
    genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(7)), "large")
    genotype.write(Path("config/genotypes/large.json"))
    with pytest.raises(UserError, match=r"weights\.pth are not the weights of the teacher: ") as caught:
        retrain(complete({"teacher": "large"}), DATASET, 0, "tiny")
    assert "\n" not in str(caught.value)
    assert not result(paths.WEIGHTS).exists()


def test_a_teacher_with_another_normalization_is_refused(workplace):
    models = Path("config/mmseg/_base_/models")
    models.mkdir(parents=True)
    (models / "gray.py").write_text(
        f"_base_ = ['{paths.PROJECT}/config/mmseg/_base_/models/erfnet.py']\n"
        "model = dict(data_preprocessor=dict(mean=[1.0, 2.0, 3.0]))\n"
    )
    trained(complete({"teacher": "gray"}), "gray")
    with pytest.raises(UserError, match=r"takes images with mean \[1.0, 2.0, 3.0\], the network with "):
        retrain(complete({"teacher": "gray"}), DATASET, 0, "tiny")
