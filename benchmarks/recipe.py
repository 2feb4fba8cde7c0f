"""Write an experiment that measures what each ingredient of CamVid's recipe contributes, on scenes held out of train.

    python benchmarks/recipe.py --out runs/recipe --epochs 200
    snakemake --cores all results/recipe/summary.csv --configfile runs/recipe/recipe.yaml
    python benchmarks/recipe_effects.py --out runs/recipe

On a CPU, with fewer pixels and a smaller network:

    python benchmarks/recipe.py --out runs/recipe --config config/camvid_short.yaml --size 120x160 --epochs 40

Each variant changes one ingredient. Networks are trained on CamVid's train without one of its sequences and judged on
that sequence (`hold_out`): val is from a drive of train, and rewards networks that remember it. A variant and a fold
are a dataset of the configuration. The experiment can be stopped at any time and resumed by the same command.
"""

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import quiet_mmseg  # noqa: F401  # which configs of mmengine import
import yaml
from command_line import run_benchmark
from mmengine.config import Config

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.teachers import MUTUAL
from ssr_mmseg.utils import option_types as types
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.limits import MAX_EPOCHS

SEQUENCES = ("0001TP", "0006R0")  # of CamVid's train; the third, 0016E5, has more than half of its frames
AUXILIARY = {  # heads at 1/8 and 1/4, in training alone
    "type": "FCNHead",
    "channels": 32,
    "num_convs": 1,
    "concat_input": False,
    "norm_cfg": {"type": "BN"},
    "align_corners": False,
    "num_classes": 11,
}
DISTILLED: dict[str, dict] = {"distilled": {}, "distilled_features": {"features": 10.0}}  # with a teacher
PRETRAINED, STREETS_NAME = "pretrained_on_streets", "streets"
STREETS = {"train": 384, "val": 16, "test": 16, "seed": 0}  # images to render; they have CamVid's classes
# wider ranges than those of the recipe's ColorJitter, for every image
STRONGER = {"brightness": 64, "contrast": 0.8, "saturation": 0.8, "hue": 36, "prob": 1.0}
DEPTHS = {2: 124, 1: 48}  # index of a feature, and the width that it has in the network of the config


@dataclass(frozen=True)
class Variant:
    """A change of the recipe.

    Attributes:
        lines: What its mmengine config adds to the recipe's.
        batches: Images per step, as a multiple of the recipe's; the number of steps stays the same.
        length: Length of the training, as a multiple of the recipe's.
        retrain: What it adds to the section `retrain`.
    """

    lines: dict[str, Any] = field(default_factory=dict)
    batches: int = 1
    length: int = 1
    retrain: dict[str, Any] = field(default_factory=dict)


def variants(recipe: Config, teacher: str | None) -> dict[str, Variant]:
    """Return the variants of a recipe by name; the first is the recipe itself.

    Args:
        recipe: The mmengine config.
        teacher: Network that the others learn from, or None to leave out the variants with a teacher.
    """
    augmentation, hooks = recipe["train_dataloader"]["augmentation"], recipe["custom_hooks"]
    bfloat16 = recipe["optim_wrapper"].get("enabled", True)
    loss = recipe["model"]["decode_head"]["loss_decode"]
    warmup, decay = (dict(entry) for entry in recipe["param_scheduler"])
    cosine = {key: value for key, value in decay.items() if key != "power"} | {"type": "CosineAnnealingLR"}
    adam = {**recipe["optim_wrapper"]["optimizer"], "type": "Adam", "weight_decay": 1e-4}
    heads = [
        {**AUXILIARY, "in_channels": width, "in_index": index, "loss_decode": {**loss, "loss_weight": 0.4}}
        for index, width in DEPTHS.items()
    ]
    return {
        "recipe": Variant(),
        "no_scale_crop": _augmentation(without(augmentation, "RandomScaleCrop")),
        "scale_from_075": _augmentation(changed(augmentation, "RandomScaleCrop", low=0.75)),
        "no_color": _augmentation(without(augmentation, "ColorJitter")),
        "color_always": _augmentation(changed(augmentation, "ColorJitter", prob=1.0)),
        "color_stronger": _augmentation(changed(augmentation, "ColorJitter", **STRONGER)),
        "no_cutmix": _augmentation(without(augmentation, "CutMix")),
        "no_hard_pixels": _loss(keep=1.0),
        "no_smoothing": _loss(label_smoothing=0.0),
        "plain_loss": _loss(keep=1.0, label_smoothing=0.0),
        "no_class_weights": _loss(class_weight=None),
        "no_average": Variant({"custom_hooks": without(hooks, "AverageHook")}),
        "adam_l2": Variant({"optim_wrapper": {"optimizer": adam}}),
        "cosine": Variant({"param_scheduler": [warmup, cosine]}),
        "deep_supervision": Variant({"model": {"auxiliary_head": heads}}),
        "batch_doubled": Variant(batches=2),
        "longer": Variant(length=3),
        "mutual": Variant(retrain={"distill": {"teacher": MUTUAL}}),
        PRETRAINED: Variant(),  # see `experiment`
        **(
            {name: Variant(retrain={"distill": {"teacher": teacher, **terms}}) for name, terms in DISTILLED.items()}
            if teacher
            else {}
        ),
        **({"float32": Variant({"optim_wrapper": {"enabled": False}})} if bfloat16 else {}),
    }


def _augmentation(steps: list[dict]) -> Variant:
    return Variant({"train_dataloader": {"augmentation": steps}})


def _loss(**changes: Any) -> Variant:
    return Variant({"model": {"decode_head": {"loss_decode": changes}}})


def changed(entries: Iterable[dict], kind: str, **arguments: Any) -> list[dict]:
    """Return the configs with other arguments of the one of type `kind`."""
    return [{**entry, **(arguments if entry["type"] == kind else {})} for entry in entries]


def without(entries: Iterable[dict], kind: str) -> list[dict]:
    """Return the configs without the one of type `kind`.

    Raises:
        UserError: There is none.
    """
    entries = [dict(entry) for entry in entries]
    others = [entry for entry in entries if entry["type"] != kind]
    if len(others) == len(entries):
        raise UserError(f"the recipe has no {kind} to leave out; name another --config")
    return others


def experiment(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the mmengine configs of the variants, and return the experiment."""
    config = yaml.safe_load(paths.project_file(arguments.config).read_text(encoding="utf-8"))
    if arguments.teacher == arguments.network:
        raise UserError(f"--teacher: found {arguments.teacher}, the network that is to learn; name a larger one")
    if "camvid" not in config.get("datasets", {}):
        raise UserError(f"{arguments.config} has no dataset camvid; name another --config, such as config/camvid.yaml")
    camvid = {**config["datasets"]["camvid"], "train_split": "train"}
    if arguments.size:
        camvid["size"] = list(arguments.size)
    file = paths.project_file(config["retrain"]["config"])
    found = variants(Config.fromfile(file), arguments.teacher)
    names = arguments.only or list(found)
    for name in names:
        if name not in found:
            raise UserError(f"--only: found {name!r:.100}, expected one or more of: {', '.join(found)}")
    configs = arguments.out / "mmseg"
    configs.mkdir(parents=True, exist_ok=True)
    datasets = {}
    for name in names:
        variant, path = found[name], configs / f"{name}.py"
        lines = "".join(f"{key} = {value!r}\n" for key, value in variant.lines.items())
        path.write_text(f"_base_ = [{os.path.relpath(file, configs)!r}]\n{lines}", encoding="utf-8")
        training = {
            "config": path.as_posix(),
            "epochs": arguments.epochs * variant.length * variant.batches,
            "min_steps": 1,
            "batch_size": config["retrain"]["batch_size"] * variant.batches,
            **variant.retrain,
        }
        if name == PRETRAINED:
            streets = {"type": "streets", "size": camvid["size"], "train_split": "train", "options": STREETS}
            datasets[STREETS_NAME] = {**streets, "retrain": dict(training)}
            weights = paths.WEIGHTS.replace("results/", f"results/{arguments.out.name}/", 1)
            training["weights"] = weights.replace("{dataset}", STREETS_NAME)
        for sequence in arguments.sequences:
            datasets[f"{name}_{sequence}"] = {**camvid, "hold_out": [sequence], "retrain": training}
    config.pop("ablation", None)
    config["profile"] |= {"sizes": [], "runs": 1, "seconds": 0.1}  # speed is not compared
    config["evaluate"] |= {"frames": 0, "exported": False}
    return config | {
        "name": arguments.out.name,
        "datasets": datasets,
        "seeds": arguments.seeds,
        "networks": [arguments.network],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the experiment, which has its name")
    parser.add_argument(
        "--config", type=Path, default=Path("config/camvid.yaml"), help="experiment with the recipe (%(default)s)"
    )
    parser.add_argument("--size", type=types.image_size, help="input size, such as 120x160 (that of the experiment)")
    parser.add_argument(
        "--epochs",
        type=types.whole_number(1, MAX_EPOCHS // 3),
        default=200,
        help="length of each training (%(default)s)",
    )
    parser.add_argument("--seeds", type=types.seed, nargs="+", default=[0], help="seeds of each variant (%(default)s)")
    parser.add_argument(
        "--sequences", nargs="+", default=list(SEQUENCES), help="sequences to hold out, each in turn (%(default)s)"
    )
    parser.add_argument("--network", default="paper_cityscapes", help="network to train (%(default)s)")
    parser.add_argument("--teacher", help="larger network to learn from, for the variants with a teacher (none)")
    parser.add_argument("--only", nargs="+", help="names of variants (all)")
    arguments = parser.parse_args()

    config = experiment(arguments)
    target = arguments.out / "recipe.yaml"
    separate = json.loads(json.dumps(config))  # YAML would write a value that occurs twice as a reference
    target.write_text(yaml.safe_dump(separate, sort_keys=False), encoding="utf-8")
    print(f"{len(config['datasets'])} datasets, {len(arguments.seeds)} seeds: {target}")


if __name__ == "__main__":
    run_benchmark(main)
