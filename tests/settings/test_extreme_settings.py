"""Extreme values of every key of a configuration are refused in one line, or planned with."""

import copy
import time

import pytest
import yaml

from ssr_mmseg import settings
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.config_schema import branches, experiment_schema
from ssr_mmseg.settings.named_configs import named_configs
from ssr_mmseg.utils.errors import UserError

SECONDS = 2.0  # of CPU time to read one configuration
DEFAULTS = yaml.safe_load((paths.PROJECT / "config/config.yaml").read_text(encoding="utf-8"))
ENTRY = {  # with every key of a dataset
    "type": "folder",
    "source": "data",
    "size": [64, 64],
    "train_split": "train",
    "classes": ["a", "b"],
    "label_map": {"0": "a", "1": "b"},
    "ignore": [255],
    "palette": [[0, 0, 0], [255, 0, 0]],
    "split": {"val": 0.1, "test": 0.1, "seed": 0, "by": "auto", "table": None},
    "tiles": {"size": [64, 64], "overlap": 8},
    "layout": {"type": "folders", "images": "i", "labels": "l", "image_suffix": "a", "label_suffix": "b"},
    "hold_out": ["0001TP"],
    "orientation": "auto",
    "options": {},
    **{section: {} for section in ("latency", "search", "discretize", "retrain", "evaluate", "profile")},
}
CONFIG = {**DEFAULTS, "datasets": {"town": ENTRY}, "selectors": {"random_search": {"epochs": 0.5}}}
RIVAL = {  # with every key; a file that is only read when it is evaluated
    "onnx": "config/config.yaml",
    "name": "rival",
    "preprocess": {
        "scale": 255.0,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
        "channels": "rgb",
        "layout": "auto",
        "resize": "letterbox",
        "size": [64, 64],
    },
    "output": {"name": "output", "kind": "auto", "layout": "auto"},
    "classes": {"0": "a", "1": 1, "2": None},
}
CONFIG["networks"] = [RIVAL, "searched", "random_search"]
TEACHER = {"teacher": "erfnet", "logits": 3.0, "temperature": 4.0, "features": 0.0}
CONFIG["retrain"] = {**DEFAULTS["retrain"], "weights": None, "distill": TEACHER}
CONFIG["ablation"] = {
    "dataset": "town",
    "seeds": [0],
    "search": {"epochs": 1},
    "retrain": False,
    "dimensions": {"joint": ["depth"]},
    "variants": {"short": {"epochs": 1}},
    "blocks": [{"regularizer": ["ssr"], "shrink": [True], "dimensions": ["joint"], "variants": ["short"]}],
}
VALUES = [
    *(None, True, 0, -1, 1, 10**9, 2**32, 2**62, 2**63, -(10**30), 0.5, 1e308, -0.0, 5e-324),
    *(float("nan"), float("inf"), "", "x", "x" * 100_000, "a\0b", "\x1b[2J", "\ud800", "..", "/dev/zero", "folder"),
    *([], [[]], [0] * 3, list(range(2000)), ["x"] * 2, {}, {"x": {}}, {"type": "x"}, {"": None}),
]


def places(value, path=()):
    """Yield the paths of the values in a configuration; of a list, only that of the first value."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(path, value):
    """Return the configuration with another value at a path."""
    config = copy.deepcopy(CONFIG)
    node = config
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return config


def plan(config) -> bool:
    """Read a configuration and what it names as the workflow's plan does; return whether it is accepted."""
    started, message = time.process_time(), ""
    try:
        complete = settings.complete(config, "x.yaml")
        named_configs(complete)
        for dataset in settings.dataset_names(complete):
            space = SearchSpace.from_settings(settings.for_dataset(complete, dataset)["search"])
            space.describe()
            settings.stage_identity(complete, "search", dataset, 0)
    except UserError as error:
        message = str(error)
    assert time.process_time() - started < SECONDS
    assert len(message) < 1500
    return not message


def keys(node):
    """Yield the names of all keys in a schema."""
    for branch in branches(node):
        for key, inner in branch.get("properties", {}).items():
            yield key
            yield from keys(inner)
        for inner in [*filter(None, [branch.get("items")]), *branch.get("patternProperties", {}).values()]:
            yield from keys(inner)


def test_the_configuration_is_valid_and_has_every_key():
    assert plan(CONFIG)
    costs = {"target_ms", "graph", "name"}  # of another type of cost, and of a backend with options
    assert set(keys(experiment_schema())) - costs <= {key for path in places(CONFIG) for key in path}


@pytest.mark.parametrize("section", CONFIG)
def test_extreme_values_are_refused_in_one_line_or_planned_with(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    accepted = [
        plan(changed(path, value)) for path in places(CONFIG) if path[0] == section and path[1:] for value in VALUES
    ] + [plan(changed((section,), value)) for value in VALUES]
    assert not all(accepted)


@pytest.mark.parametrize(
    "space",
    [
        {"stages": [{"blocks": 256, "channels": 4095, "width_step": 1}, {"blocks": 256, "channels": 4096}]},
        {"dilations": list(range(1, 65)), "width_options": 4000},
        {"stages": [{"channels": 4095}, {"channels": 4096}], "width_options": 4000},
        {"stages": [{"blocks": 256}, {"blocks": 256}], "dilations": list(range(1, 65)), "width_options": 2},
    ],
)
def test_the_largest_allowed_numbers_together_are_no_search_space(space):
    config = copy.deepcopy(CONFIG)
    whole = config["search"]["space"]
    for stage, changes in zip(whole["stages"], space.pop("stages", ({}, {})), strict=True):
        stage |= {"width_step": 1, **changes}
    whole |= space
    complete = settings.complete(config, "x.yaml")
    with pytest.raises(UserError, match=r"the search space has|reach zero"):
        SearchSpace.from_settings(complete["search"])
