"""The complete mmengine configs: mmseg's tools can run each, and it is what the workflow runs.

`tests/experiment/test_as_it_stands.py` trains with both.
"""

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from ssr_mmseg import settings
from ssr_mmseg.architecture.search_space import DIMENSIONS
from ssr_mmseg.datasets.split_configs import read_splits
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.settings import paths

LEAVES = sorted((paths.PROJECT / "config/mmseg").glob("*.py"))
EXPERIMENTS = sorted((paths.PROJECT / "config").glob("*.yaml"))
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
NEEDED = {"model", *LOADERS, "optim_wrapper", "param_scheduler", "train_cfg", "val_cfg", "test_cfg", "custom_imports"}
KNOWN = {*inspect.signature(Runner).parameters, "custom_imports"}


@cache
def read(path: Path) -> dict:
    return Config.fromfile(path).to_dict()


def files_of(path: Path) -> list[Path]:
    """Return a config file and its bases, at any depth."""
    bases = [
        base
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_base_"
        for base in ast.literal_eval(node.value)
    ]
    return [path, *(file for base in bases for file in files_of(path.parent / base))]


def used_variables(path: Path) -> set[str]:
    """Return the names that a config file or its bases read, in Python or as `{{_base_.name}}`."""
    used = set()
    for file in files_of(path):
        text = file.read_text()
        used |= set(re.findall(r"{{_base_\.(\w+)", text))
        plain = re.sub(r"{{.*?}}", "0", text)
        used |= {n.id for n in ast.walk(ast.parse(plain)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return used


def sizes(config: dict) -> set[tuple[int, int]]:
    """Return the sizes (height, width) to which the pipelines resize."""
    steps = [step for loader in LOADERS for step in config[loader]["dataset"]["pipeline"]]
    return {tuple(step["scale"][::-1]) for step in steps if step["type"] == "AlignedResize"}


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_a_config_is_complete_and_has_no_key_that_nothing_reads(path):
    config = read(path)
    assert set(config) >= NEEDED
    assert set(config) - KNOWN <= used_variables(path)
    assert config["custom_imports"] == {"imports": ["ssr_mmseg.experiment.register"]}


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_the_model_of_a_config_builds_and_has_the_classes_of_its_data(path):
    init_default_scope("mmseg")
    config = read(path)
    model = MODELS.build(Config({"model": config["model"]})["model"])
    dataset = DATASETS.build({**config["val_dataloader"]["dataset"], "lazy_init": True})
    assert model.decode_head.num_classes == len(dataset.metainfo["classes"])


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_a_config_uses_one_size_everywhere(path):
    config = read(path)
    assert len(sizes(config)) == 1
    assert {tuple(config["train_cfg"].get("size", config["size"])), tuple(config["size"])} == sizes(config)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_mmsegs_tools_log_losses_and_metrics_of_a_config(path):
    hooks = read(path)["default_hooks"]
    assert hooks["logger"]["type"] == "LoggerHook"
    if "runtime_info" in hooks:
        assert hooks["runtime_info"] == {"type": "UnreadLossesInfoHook"}
        assert {"type": "HistoryHook"} in read(path)["custom_hooks"], "it logs the losses"


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_schedulers_last_to_the_end_of_the_training(path):
    config = read(path)
    schedulers = config["param_scheduler"]
    schedulers = schedulers if isinstance(schedulers, list) else schedulers["weights"]
    last = 0 if schedulers[-1].get("convert_to_iter_based") else 1
    assert schedulers[-1]["end"] == config["train_cfg"]["max_epochs"] + last


CASES = [
    (path.stem, name)
    for path in EXPERIMENTS
    for name in settings.dataset_names(settings.read_config(path))
    if path.stem != "log_trends"  # whose search is that of the default ablation
]
SHORTENED = {("camvid_short", "camvid"), ("contest", "camvid")}  # with smaller images than their mmengine configs


@cache
def experiment(name: str) -> dict:
    return settings.read_config(paths.PROJECT / f"config/{name}.yaml")


def assert_data(config: dict, dataset: dict, full_size: bool) -> None:
    """Assert that a leaf config reads the dataset of an experiment, at its size unless only `full_size` is promised."""
    for split, expected in read_splits(dataset["type"]).items():
        actual = config[f"{split}_dataloader"]["dataset"]
        prepared = expected or read_splits(dataset["type"])["val"]
        assert {key: actual[key] for key in prepared} == prepared
    assert (sizes(config) == {tuple(dataset["size"])}) == full_size


@pytest.mark.parametrize(("name", "scenario"), CASES)
def test_the_search_of_an_experiment_is_that_of_its_mmengine_config(name, scenario):
    one = settings.for_dataset(experiment(name), scenario)
    search, config = one["search"], read(paths.project_file(one["search"]["config"]))
    backbone, loop = config["model"]["backbone"], config["train_cfg"]
    assert backbone["space"] == search["space"]
    assert list(backbone.get("dimensions", DIMENSIONS)) == search["dimensions"]
    assert backbone.get("gate", "sigmoid") == search["gate"]
    assert config["model"]["decode_head"]["in_channels"] == search["space"]["stages"][-1]["channels"]
    assert {key: loop[key] for key in ("regularizer", "split")} == {
        key: search[key] for key in ("regularizer", "split")
    }
    assert {"hold": None, **loop["cost"]} == {"hold": None, **search["cost"]}
    assert loop["max_epochs"] == search["epochs"] + search["shrink_stages"] * search["shrink_epochs"]
    assert loop.get("warmup", 0) == round(search["warmup"] * loop["max_epochs"])
    assert config["train_dataloader"]["batch_size"] == search["batch_size"]
    shrinking = [hook["threshold"] for hook in config["custom_hooks"] if hook["type"] == "ShrinkingHook"]
    assert shrinking == ([search["threshold"]] if search["shrink"] else [])
    assert_data(config, one["dataset"], full_size=(name, scenario) not in SHORTENED)


@pytest.mark.parametrize(("name", "scenario"), CASES)
def test_the_retraining_of_an_experiment_is_that_of_its_mmengine_config(name, scenario):
    one = settings.for_dataset(experiment(name), scenario)
    retrain, config = one["retrain"], read(paths.project_file(one["retrain"]["config"]))
    assert config["train_cfg"]["max_epochs"] == retrain["epochs"]
    assert config["train_dataloader"]["batch_size"] == retrain["batch_size"]
    assert_data(config, one["dataset"], full_size=(name, scenario) not in SHORTENED)


@pytest.mark.parametrize("path", sorted(paths.PROJECT.glob("config/mmseg/erfnet_*.py")), ids=lambda path: path.stem)
def test_a_baseline_is_trained_as_the_derived_network(path):
    theirs, ours = read(path), read(path.with_name(path.name.replace("erfnet", "ssrnet")))
    assert theirs["model"]["decode_head"]["loss_decode"] == ours["model"]["decode_head"]["loss_decode"]
    variables = set(theirs) ^ set(ours)
    assert not variables & KNOWN
    assert [key for key in set(theirs) - variables if theirs[key] != ours[key]] == ["model"]
