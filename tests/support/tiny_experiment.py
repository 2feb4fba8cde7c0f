"""A tiny experiment on the rendered street scenes: 2 steps per epoch, every stage in seconds."""

from pathlib import Path
from typing import Any

import torch

from ssr_mmseg import settings
from ssr_mmseg.jobs.provenance import VOLATILE
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.utils.files import read_json

DATASET = "town"
NETWORK = "searched"
EXPERIMENT = {
    "device": "cpu",
    "networks": ["searched"],
    "datasets": {
        DATASET: {"type": "streets", "size": [32, 64], "options": {"train": 16, "val": 2, "test": 2, "seed": 1}}
    },
    "search": {
        "space": {
            "stages": [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 24, "width_step": 2}],
            "dilations": [1, 2],
            "resolutions": [1, 2],
            "width_options": 3,
        },
        "epochs": 2,
        "shrink_stages": 1,
        "shrink_epochs": 1,
        "min_steps": 1,
        "batch_size": 4,
        "warmup": 0,
        "cost": {"type": "macs", "target": 0.6, "hold": None},
        "threshold": 0.8,  # some options die in the first epoch, so that compaction has something to remove
    },
    "retrain": {"epochs": 1, "min_steps": 1, "batch_size": 4},
    "evaluate": {"frames": 0},
}


def experiment(**search) -> dict:
    """Return the completed configuration, with some keys of `search` changed."""
    return settings.complete(settings.merge(EXPERIMENT, {"search": search}))


def run_all(seed: int = 0) -> None:
    """Run search, shrinking, discretization, retraining and evaluation in the working directory."""
    config = experiment()
    for stage in range(config["search"]["shrink_stages"] + 1):
        search(config, DATASET, seed, stage)
    discretize(config, DATASET, seed)
    retrain(config, DATASET, seed, NETWORK)
    evaluate(config, DATASET, seed, NETWORK)


def metrics(path: Path) -> dict:
    return {key: value for key, value in read_json(path).items() if key not in VOLATILE}


def assert_same_state(actual: Any, expected: Any, where: str = "state") -> None:
    """Assert that two states are bitwise equal, except for elapsed seconds and the training that they are of."""
    assert type(actual) is type(expected), where
    if isinstance(expected, dict):
        assert list(actual) == list(expected), where
        for key, value in expected.items():
            if key not in ("seconds", "waited", "origin"):
                assert_same_state(actual[key], value, f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected), where
        for index, pair in enumerate(zip(actual, expected, strict=True)):
            assert_same_state(*pair, f"{where}.{index}")
    elif torch.is_tensor(expected):
        assert torch.equal(actual, expected), where
    else:
        assert actual == expected, where
