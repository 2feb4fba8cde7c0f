"""What each ingredient of CamVid's recipe is worth on val: writes an experiment that leaves out one at a time.

    python benchmarks/recipe.py --out runs/recipe --epochs 200
    snakemake --cores all results/summary.csv --configfile runs/recipe/recipe.yaml

Every variant is a dataset of the configuration, CamVid with a schedule of its own, trained on train and judged by the
column `miou_val`. The experiment may be stopped at any time and continued by the same command.
"""

import argparse
import os
from pathlib import Path

import yaml
from mmengine.config import Config

RECIPE = Path("config/mmseg/schedules/retrain_camvid.py")


def without(entries: list[dict], kind: str) -> list[dict]:
    """The configs of another type than `kind`."""
    kept = [dict(entry) for entry in entries if entry["type"] != kind]
    assert len(kept) == len(entries) - 1, f"{RECIPE} has no {kind}"
    return kept


def variants(recipe: Config) -> dict[str, str]:
    """Lines that each variant's schedule has beside the recipe's, by the variant's name."""
    augmentation, hooks = recipe["augmentation"], recipe["custom_hooks"]
    warmup, decay = (dict(entry) for entry in recipe["param_scheduler"])
    cosine = {key: value for key, value in decay.items() if key != "power"} | {"type": "CosineAnnealingLR"}
    return {
        "full": "",
        "no_scale_crop": f"augmentation = {without(augmentation, 'RandomScaleCrop')!r}",
        "no_colour": f"augmentation = {without(augmentation, 'ColourJitter')!r}",
        "no_cutmix": f"augmentation = {without(augmentation, 'CutMix')!r}",
        "no_hard_pixels": "loss = dict(keep=1.0)",
        "no_smoothing": "loss = dict(label_smoothing=0.0)",
        "no_class_weights": "loss = dict(class_weight=None)",
        "no_average": f"custom_hooks = {without(hooks, 'AverageHook')!r}",
        "cosine": f"param_scheduler = {[warmup, cosine]!r}",
        "float32": "optim_wrapper = dict(enabled=False)",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the experiment")
    parser.add_argument("--epochs", type=int, default=200, help="length of each training (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of each variant (%(default)s)")
    parser.add_argument("--network", default="paper_cityscapes", help="what is trained (%(default)s)")
    parser.add_argument("--only", nargs="+", help="names of the variants; all by default")
    arguments = parser.parse_args()

    config = yaml.safe_load(Path("config/camvid.yaml").read_text(encoding="utf-8"))
    camvid = config["datasets"]["camvid"] | {"train_split": "train"}
    found = variants(Config.fromfile(RECIPE))
    schedules = arguments.out / "schedules"
    schedules.mkdir(parents=True, exist_ok=True)
    base = os.path.relpath(RECIPE, schedules)
    datasets = {}
    for name in arguments.only or found:
        file = schedules / f"{name}.py"
        file.write_text(f"_base_ = [{base!r}]\n{found[name]}\n", encoding="utf-8")
        datasets[name] = camvid | {"retrain": {"schedule": file.as_posix(), "epochs": arguments.epochs}}
    config.pop("ablation", None)
    config |= {"datasets": datasets, "seeds": arguments.seeds, "networks": [arguments.network]}
    config["profile"] |= {"sizes": [], "runs": 1, "seconds": 0.1}  # speed is not what is compared
    target = arguments.out / "recipe.yaml"
    target.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    print(f"{len(datasets)} variants, {len(arguments.seeds)} seeds: {target}")


if __name__ == "__main__":
    main()
