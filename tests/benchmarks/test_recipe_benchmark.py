"""The experiment written by benchmarks/recipe.py is valid and leaves out one ingredient per variant."""

import os
import subprocess
import sys

from mmengine.config import Config

from ssr_mmseg import settings
from ssr_mmseg.settings import paths


def differences(one: dict, other: dict, place: str = "") -> set[str]:
    """Return the dotted keys whose values differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set() if one == other else {place.removeprefix(".")}
    return {
        hit for key in {*one, *other} for hit in differences(one.get(key, ...), other.get(key, ...), f"{place}.{key}")
    }


def test_each_variant_leaves_out_one_ingredient(tmp_path, monkeypatch):
    out = tmp_path / "recipe"
    command = [sys.executable, "benchmarks/recipe.py", "--out", str(out), "--epochs", "7", "--seeds", "0", "1"]
    subprocess.run(command, cwd=paths.PROJECT, env=os.environ | {"PYTHONPATH": "."}, check=True)
    monkeypatch.chdir(paths.PROJECT)
    config = settings.read_config(out / "recipe.yaml")
    full = settings.for_dataset(config, "full")
    assert (full["dataset"]["train_split"], full["retrain"]["epochs"], config["seeds"]) == ("train", 7, [0, 1])
    recipe = Config.fromfile(paths.PROJECT / "config/mmseg/ssrnet_camvid.py").to_dict()
    changed = {}
    for name in settings.dataset_names(config):
        variant = Config.fromfile(settings.for_dataset(config, name)["retrain"]["config"]).to_dict()
        changed[name] = differences(variant, recipe)
    assert changed.pop("full") == set()
    assert all(len(keys) == 1 for keys in changed.values())
    assert changed["no_hard_pixels"] == {"model.decode_head.loss_decode.keep"}
    assert changed["no_cutmix"] == {"train_dataloader.augmentation"}
    assert {"no_average", "no_hard_pixels", "no_cutmix", "cosine"} <= set(changed)
    identities = {settings.stage_identity(config, "retrain", name, network="paper_cityscapes") for name in changed}
    assert len(identities) == len(changed), "each variant is a separate training"
