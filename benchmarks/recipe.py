"""Write an experiment that measures on val what each ingredient of CamVid's recipe contributes.

    python benchmarks/recipe.py --out runs/recipe --epochs 200
    snakemake --cores all results/summary.csv --configfile runs/recipe/recipe.yaml

Every variant leaves out one ingredient. It is a dataset of the configuration, CamVid with an mmengine config of its
own, trained on train and evaluated by the column `miou_val`. The experiment can be stopped at any time and resumed by
the same command.
"""

import argparse
import os
from pathlib import Path

import yaml
from command_line import run_benchmark
from mmengine.config import Config

RECIPE = Path("config/mmseg/ssrnet_camvid.py")


def without(entries: list[dict], kind: str) -> list[dict]:
    """Return the configs without the one of type `kind`."""
    others = [dict(entry) for entry in entries if entry["type"] != kind]
    assert len(others) == len(entries) - 1, f"{RECIPE} has no {kind}"
    return others


def variants(recipe: Config) -> dict[str, str]:
    """Return, by the variant's name, the line that its mmengine config adds to the recipe."""
    augmentation, hooks = recipe["train_dataloader"]["augmentation"], recipe["custom_hooks"]
    warmup, decay = (dict(entry) for entry in recipe["param_scheduler"])
    cosine = {key: value for key, value in decay.items() if key != "power"} | {"type": "CosineAnnealingLR"}
    augmentations = {
        "no_scale_crop": without(augmentation, "RandomScaleCrop"),
        "no_color": without(augmentation, "ColorJitter"),
        "no_cutmix": without(augmentation, "CutMix"),
    }
    losses = {
        "no_hard_pixels": {"keep": 1.0},
        "no_smoothing": {"label_smoothing": 0.0},
        "no_class_weights": {"class_weight": None},
    }
    return {
        "full": "",
        **{name: f"train_dataloader = dict(augmentation={steps!r})" for name, steps in augmentations.items()},
        **{name: f"model = dict(decode_head=dict(loss_decode={change!r}))" for name, change in losses.items()},
        "no_average": f"custom_hooks = {without(hooks, 'AverageHook')!r}",
        "cosine": f"param_scheduler = {[warmup, cosine]!r}",
        "float32": "optim_wrapper = dict(enabled=False)",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the experiment")
    parser.add_argument("--epochs", type=int, default=200, help="length of each training (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of each variant (%(default)s)")
    parser.add_argument("--network", default="paper_cityscapes", help="network to train (%(default)s)")
    parser.add_argument("--only", nargs="+", help="names of variants (all)")
    arguments = parser.parse_args()

    config = yaml.safe_load(Path("config/camvid.yaml").read_text(encoding="utf-8"))
    camvid = config["datasets"]["camvid"] | {"train_split": "train"}
    lines = variants(Config.fromfile(RECIPE))
    configs = arguments.out / "mmseg"
    configs.mkdir(parents=True, exist_ok=True)
    base = os.path.relpath(RECIPE, configs)
    datasets = {}
    for name in arguments.only or lines:
        file = configs / f"{name}.py"
        file.write_text(f"_base_ = [{base!r}]\n{lines[name]}\n", encoding="utf-8")
        datasets[name] = camvid | {"retrain": {"config": file.as_posix(), "epochs": arguments.epochs, "min_steps": 1}}
    config.pop("ablation", None)
    config |= {"datasets": datasets, "seeds": arguments.seeds, "networks": [arguments.network]}
    config["profile"] |= {"sizes": [], "runs": 1, "seconds": 0.1}  # speed is not compared
    target = arguments.out / "recipe.yaml"
    target.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    print(f"{len(datasets)} variants, {len(arguments.seeds)} seeds: {target}")


if __name__ == "__main__":
    run_benchmark(main)
