"""The experiment written by benchmarks/recipe.py changes one ingredient per variant, and effects are paired."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from ssr_mmseg import settings
from ssr_mmseg.datasets.camvid import upstream_hashes
from ssr_mmseg.datasets.importing.sequences import group_keys
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.files import read_json, write_json


def differences(one: dict, other: dict, place: str = "") -> set[str]:
    """Return the dotted keys whose values differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set() if one == other else {place.removeprefix(".")}
    return {
        hit for key in {*one, *other} for hit in differences(one.get(key, ...), other.get(key, ...), f"{place}.{key}")
    }


def run(script: str, *arguments: str, status: int = 0, cwd: Path = paths.PROJECT) -> subprocess.CompletedProcess:
    """Run a script of benchmarks/."""
    command = [sys.executable, str(paths.PROJECT / "benchmarks" / script), *arguments]
    call = subprocess.run(
        command, cwd=cwd, env=os.environ | {"PYTHONPATH": str(paths.PROJECT)}, capture_output=True, text=True
    )
    assert call.returncode == status, call.stderr
    return call


def test_its_folds_are_sequences_of_camvid(monkeypatch):
    monkeypatch.syspath_prepend(paths.PROJECT / "benchmarks")
    sequences = importlib.import_module("recipe").SEQUENCES
    frames = [frame.removeprefix("train/") for frame in upstream_hashes() if frame.startswith("train/")]
    groups = group_keys(frames, "sequence")
    assert {name: len(groups[name]) for name in sequences} == {"0001TP": 62, "0006R0": 101}  # as docs/camvid.md says


@pytest.mark.parametrize("base", ["camvid", "camvid_short"])
def test_each_variant_changes_one_ingredient(tmp_path, monkeypatch, base):
    out = tmp_path / "effects"
    options = ("--epochs", "7", "--seeds", "0", "1", "--teacher", "erfnet")
    call = run("recipe.py", "--out", str(out), "--config", f"config/{base}.yaml", *options)
    assert (call.stdout.count("\n"), call.stderr) == (1, "")
    monkeypatch.chdir(paths.PROJECT)
    config = settings.read_config(out / "recipe.yaml")
    assert (config["name"], config["seeds"]) == ("effects", [0, 1])
    recipe = Config.fromfile(paths.PROJECT / f"config/mmseg/ssrnet_{base}.py").to_dict()
    batch = settings.read_config(paths.PROJECT / f"config/{base}.yaml")["retrain"]["batch_size"]
    changed, added = {}, {}
    for name in settings.dataset_names(config):
        scenario = settings.for_dataset(config, name)
        if name == "streets":
            continue  # what a variant is pretrained on
        variant, _, sequence = name.rpartition("_")
        assert (scenario["dataset"]["train_split"], scenario["dataset"]["hold_out"]) == ("train", [sequence])
        training = scenario["retrain"]
        length = (training["epochs"], training["batch_size"])
        assert length == {"longer": (21, batch), "batch_doubled": (14, 2 * batch)}.get(variant, (7, batch))
        added[variant] = {key: training[key] for key in ("weights", "distill") if training[key]}
        changed[variant] = differences(Config.fromfile(training["config"]).to_dict(), recipe)
    assert added["distilled_features"] == {"distill": {"teacher": "erfnet", "features": 10.0}}
    taught = {name for name, more in added.items() if more}
    assert taught == {"distilled", "distilled_features", "mutual", "pretrained_on_streets"}
    assert {name for name, keys in changed.items() if not keys} == {"recipe", "longer", "batch_doubled", *taught}
    assert changed.pop("plain_loss") == {
        "model.decode_head.loss_decode.keep",
        "model.decode_head.loss_decode.label_smoothing",
    }
    assert changed.pop("adam_l2") == {"optim_wrapper.optimizer.type", "optim_wrapper.optimizer.weight_decay"}
    assert all(len(keys) <= 1 for keys in changed.values())
    assert changed["no_hard_pixels"] == {"model.decode_head.loss_decode.keep"}
    assert changed["no_cutmix"] == {"train_dataloader.augmentation"}
    identities = {
        settings.stage_identity(config, "retrain", name, network="paper_cityscapes")
        for name in settings.dataset_names(config)
    }
    assert len(identities) == len(config["datasets"]), "each variant is a separate training"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "sugar"], "recipe: --only: found 'sugar', expected one or more of: recipe, "),
        (["--size", "120"], "argument --size: expected HEIGHTxWIDTH"),
        (["--seeds", "x"], "argument --seeds: expected an integer"),
        (["--epochs", "0"], "argument --epochs: expected an integer from 1"),
        (["--config", "config/config.yaml"], "config/config.yaml has no dataset camvid; name another --config"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--teacher", "paper_cityscapes"], "--teacher: found paper_cityscapes, the network that is to learn; name a "),
        (["--only", "distilled"], "--only: found 'distilled', expected one or more of: "),
    ],
)
def test_a_mistake_is_one_line(tmp_path, options, message):
    call = run("recipe.py", "--out", str(tmp_path / "own"), *options, status=2)
    assert message in call.stderr.strip().splitlines()[-1]
    assert "Traceback" not in call.stderr
    assert not (tmp_path / "own").exists()


def test_bfloat16_is_an_ingredient_where_the_recipe_has_it(tmp_path):
    for base, expected in (("camvid", True), ("camvid_short", False)):
        out = tmp_path / base
        run("recipe.py", "--out", str(out), "--config", f"config/{base}.yaml")
        assert (out / "mmseg/float32.py").exists() == expected


def test_effects_are_of_the_same_sequence_and_seed_and_records_grow(tmp_path):
    names = ["--seeds", "0", "1", "2", "--only", "recipe", "cosine", "no_color"]
    run("recipe.py", "--out", "runs/own", *names, cwd=tmp_path)
    scores = {"recipe": (40.0, 50.0, 60.0), "cosine": (41.0, 52.0, 63.0), "no_color": (39.0, 49.0, None)}

    def finish(sequence: str, raised: float) -> None:
        """Write the results of a sequence."""
        for variant, mious in scores.items():
            for seed, miou in enumerate(mious):
                if miou is not None:
                    name = paths.EVALUATION.format(
                        dataset=f"{variant}_{sequence}", seed=seed, network="paper_cityscapes"
                    )
                    file = tmp_path / "results/own" / name.removeprefix("results/")
                    file.parent.mkdir(parents=True)
                    write_json(file, {"val": {"miou": miou + raised}, "test": {"miou": 0.0}})

    def effects() -> dict[tuple[str, str], tuple[int, float]]:
        run("recipe_effects.py", "--out", "runs/own", "--record", "record.json", cwd=tmp_path)
        rows = read_json(tmp_path / "record.json")["effects"]
        return {(row["variant"], row["sequence"]): (row["pairs"], round(row["difference"], 6)) for row in rows}

    finish("0001TP", 0.0)
    one = {("cosine", "0001TP"): (3, 2.0), ("no_color", "0001TP"): (2, -1.0)}
    assert effects() == one
    shutil.rmtree(tmp_path / "results")
    scores["no_color"] = (90.0, 100.0, None)
    finish("0006R0", 10.0)  # elsewhere: the record has the others
    assert effects() == {**one, ("cosine", "0006R0"): (3, 2.0), ("no_color", "0006R0"): (2, 50.0)}
    printed = run("recipe_effects.py", "--out", "runs/own", "--record", "record.json", cwd=tmp_path).stdout.splitlines()
    bases = (("0001TP", "50.00"), ("0006R0", "60.00"))
    assert printed[:2] == [f"recipe on {name}: mIoU {miou} % over 3 seeds" for name, miou in bases]
    assert [line.split(" | ")[:3] for line in printed[5:]] == [
        ["| no_color", "0001TP", "2"],
        ["| no_color", "0006R0", "2"],
        ["| cosine", "0001TP", "3"],
        ["| cosine", "0006R0", "3"],
    ]
    assert printed[7].startswith("| cosine | 0001TP | 3 | +2.00 (-0.48 to +4.48) | ")
    run("recipe.py", "--out", "runs/own", *names, "--epochs", "9", cwd=tmp_path)
    call = run("recipe_effects.py", "--out", "runs/own", "--record", "record.json", cwd=tmp_path, status=2)
    assert "name another file" in call.stderr
