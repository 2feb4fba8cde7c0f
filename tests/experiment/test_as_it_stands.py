"""mmengine's own runner and the workflow train a config alike, to the bit.

The values that the workflow takes from data and scenario are given as mmseg's tools take them, by `--cfg-options`.
"""

import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_experiment import DATASET, EXPERIMENT

from ssr_mmseg import settings
from ssr_mmseg.datasets import class_weights, read_manifest
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.checkpoint.weights import load_weights

SEED, SIZE, BATCH = 3, (32, 64), 4
NETWORK = "paper_cityscapes"  # the genotype in ssrnet_streets.py


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "town"
    prepare(settings.for_dataset(settings.complete(EXPERIMENT), DATASET)["dataset"], folder)
    return folder


@pytest.fixture
def here(prepared, tmp_path, monkeypatch) -> Path:
    """A working directory with the prepared dataset."""
    shutil.copytree(prepared, tmp_path / Path(paths.MANIFEST.format(dataset=DATASET)).parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmengine.runner.runner.get_device", lambda: "cpu")
    return tmp_path


def train_as_mmseg(name: str, label_size: str, options: dict) -> dict:
    """Return the weights of one epoch of a leaf config, trained by mmengine's runner."""
    config = Config.fromfile(paths.PROJECT / f"config/mmseg/{name}.py")
    manifest = read_manifest(Path(paths.MANIFEST.format(dataset=DATASET)))
    data = str(Path(manifest["root"]))
    for loader, resize in (("train_dataloader", 2), ("val_dataloader", 1), ("test_dataloader", 1)):
        step = f"{loader}.dataset.pipeline.{resize}"
        assert config[loader]["dataset"]["pipeline"][resize]["type"] == "AlignedResize"
        options |= {f"{step}.scale": SIZE[::-1], f"{loader}.dataset.data_root": data}
    head = "model.decode_head"
    options |= {
        "model.data_preprocessor.size": SIZE,
        f"{head}.num_classes": len(manifest["classes"]),
        f"{head}.loss_decode.class_weight": class_weights(manifest, label_size, ["train"]),
        "train_dataloader.batch_size": BATCH,
        "train_cfg.max_epochs": 1,
        "randomness.seed": SEED,
        "work_dir": "work_dirs",
    }
    config.merge_from_dict(options)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner.model.state_dict()


def assert_equal(actual: dict, expected: dict) -> None:
    assert list(actual) == list(expected)
    different = [name for name, value in expected.items() if not torch.equal(actual[name], value)]
    assert not different


def test_a_retraining_by_mmengines_runner_equals_the_workflows(here):
    theirs = train_as_mmseg("ssrnet_streets", "full", {"param_scheduler.0.end": 1})
    config = settings.complete({**EXPERIMENT, "networks": [NETWORK]})
    retrain(config, DATASET, SEED, NETWORK)
    assert_equal(theirs, load_weights(Path(paths.WEIGHTS.format(dataset=DATASET, seed=SEED, network=NETWORK))))


def test_a_search_by_mmengines_runner_equals_the_workflows(here):
    brief = {"epochs": 1, "shrink_stages": 0, "threshold": 0.95}
    config = settings.complete(settings.merge(EXPERIMENT, {"search": brief}))
    scenario = config["search"]
    (shrinking,) = [
        index
        for index, hook in enumerate(Config.fromfile(paths.project_file(scenario["config"]))["custom_hooks"])
        if hook["type"] == "ShrinkingHook"
    ]
    options = {
        "model.backbone.space": scenario["space"],
        "model.decode_head.in_channels": scenario["space"]["stages"][-1]["channels"],
        "train_cfg.size": SIZE,
        "train_cfg.warmup": scenario["warmup"],
        "train_cfg.cost": scenario["cost"],
        "param_scheduler.weights.0.end": 2,
        f"custom_hooks.{shrinking}.threshold": scenario["threshold"],
    }
    theirs = train_as_mmseg("supernet_streets", "eighth", options)
    search(config, DATASET, SEED)
    state = load_state(Path(paths.state_path({}, DATASET, SEED, 0)))
    assert_equal(theirs, state["model"])
    assert not bool(state["model"]["backbone.architecture.alive_operator"].all()), "options must have died"
