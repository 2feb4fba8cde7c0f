"""The configuration files have the hyperparameters of the paper's released training scripts."""

import pytest
from mmengine.config import Config

from ssr_mmseg import settings
from ssr_mmseg.settings import paths

CONFIGS = paths.PROJECT / "config/mmseg"
AUGMENTATION = [{"type": "RandomFlip", "prob": 0.5}, {"type": "RandomShift", "pixels": 2}]
OTHER_STEPS = ("LoadImageFromFile", "LoadAnnotations", "AlignedResize", "PackSegInputs")


def polynomial(epochs: int) -> list[dict]:
    """Return mmengine's config of the paper's decay, which is 0 only after the last epoch."""
    return [{"type": "PolyLR", "power": 0.9, "eta_min": 0, "end": epochs + 1, "by_epoch": True}]


SEARCH = {
    "optim_wrapper": {
        "constructor": "SearchOptimWrapperConstructor",
        "weights": {
            "optimizer": {"type": "Adam", "lr": 3e-4, "betas": (0.9, 0.999), "weight_decay": 1e-4, "fused": True}
        },
        "architecture": {
            "optimizer": {"type": "Adam", "lr": 2e-3, "weight_decay": 1e-3},  # Adam's default betas: 0.9, 0.999
            "clip_grad": {"max_norm": 5},
        },
    },
    "param_scheduler": {"weights": polynomial(200), "architecture": []},
}
SEARCH_LOOP = {
    "type": "SearchLoop",
    "max_epochs": 200,
    # the paper has no depth term; 15 is this project's choice
    "objective": {"cross_entropy": 100, "operator": 30, "out_width": 15, "mid_width": 15, "depth": 15, "cost": 1},
    "regularizer": "ssr",
    "cost": {"type": "macs", "target": 0.6},
}
RETRAINING = {
    "optim_wrapper": {
        "type": "OptimWrapper",
        "optimizer": {"type": "Adam", "lr": 5e-4, "betas": (0.9, 0.999), "weight_decay": 1e-4, "fused": True},
    },
    "param_scheduler": polynomial(300),
}
CITYSCAPES = {
    "space": {
        "stages": [{"blocks": 6, "channels": 64, "width_step": 4}, {"blocks": 11, "channels": 128, "width_step": 4}],
        "dilations": [1, 2, 4, 8, 16],
        "resolutions": [1, 2],
        "width_options": 9,
    },
    "dimensions": ["depth", "dilation", "resolution", "mid_width", "out_width"],
    "config": "config/mmseg/supernet_cityscapes.py",
    "regularizer": "ssr",
    "gate": "sigmoid",
    "shrink": True,
    "threshold": 0.1,
    "batch_size": 6,
    "cost": {"type": "macs", "target": 0.6, "hold": None},
}


@pytest.mark.parametrize("dataset", ["cityscapes", "bdd100k"])
@pytest.mark.parametrize(
    ("network", "expected", "loop"),
    [("supernet", SEARCH, SEARCH_LOOP), ("ssrnet", RETRAINING, {"type": "ResumableTrainLoop", "max_epochs": 300})],
)
def test_an_mmengine_config_has_the_papers_settings(dataset, network, expected, loop):
    config = Config.fromfile(CONFIGS / f"{network}_{dataset}.py").to_dict()
    assert {key: config[key] for key in expected} == expected
    assert {key: config["train_cfg"][key] for key in loop} == loop
    loader = config["train_dataloader"]
    assert loader["batch_size"] == 6
    assert [step for step in loader["dataset"]["pipeline"] if step["type"] not in OTHER_STEPS] == AUGMENTATION


def test_the_cityscapes_experiment_has_the_papers_settings():
    config = settings.read_config(paths.PROJECT / "config/cityscapes.yaml")
    search, retrain = config["search"], config["retrain"]
    assert {key: search[key] for key in CITYSCAPES} == CITYSCAPES
    assert search["epochs"] + search["shrink_stages"] * search["shrink_epochs"] == 200
    assert retrain == {
        "config": "config/mmseg/ssrnet_cityscapes.py", "epochs": 300, "min_steps": 100, "batch_size": 6,
        "weights": None, "distill": None,
    }  # fmt: skip
    assert config["datasets"]["cityscapes"]["size"] == [512, 1024]
