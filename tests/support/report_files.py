"""Result files of a made-up experiment on two datasets, in the formats of the stages."""

import hashlib
from pathlib import Path

import numpy as np
from dataset_files import split_entry
from PIL import Image

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.utils import files

NASTY = "</script><b>Tree</b>"  # a user's class name, which must not become markup of the page
CLASSES = ["Sky", "Road", NASTY]
EPOCHS = 3  # per stage
PROVENANCE = {"commit": "0123456789ab", "versions": {"torch": "2.8.0"}, "python": "3.11.7", "machine": "x86_64"}


def experiment() -> dict:
    """Return a configuration: `town` has test labels; `yard` has none, and its dataset type has published results."""
    stages = [{"blocks": 2, "channels": 32, "width_step": 2}, {"blocks": 3, "channels": 64, "width_step": 4}]
    return settings.complete(
        {
            "datasets": {
                "town": {"type": "streets", "size": [64, 128]},
                "yard": {"type": "camvid", "source": "data/<i>yard</i>", "size": [64, 96]},
            },
            "networks": ["searched", "random", "erfnet"],
            "search": {
                "space": {"stages": stages, "width_options": 3},
                "shrink_stages": 2,
                "cost": {"type": "macs", "target": 0.6, "hold": None},
            },
            "profile": {"sizes": [[128, 256]]},
        }
    )


def write_results(config: dict) -> None:
    """Write all results of `config` into the working directory."""
    for number, dataset in enumerate(config["datasets"]):
        entry = config["datasets"][dataset]
        pixels = [6] * len(CLASSES)
        split = split_entry(pixels, images=4)
        splits = dict.fromkeys(("train", "val", "test"), split)
        manifest = {"type": entry["type"], "classes": CLASSES, "palette": [[9, 9, 9], [200, 0, 0], [0, 200, 0]]}
        manifest |= {"source": None, "notes": [f"a note with {NASTY}"], "warnings": []}
        files.write_json(Path(paths.MANIFEST.format(dataset=dataset)), {**manifest, "splits": splits})
        for seed in config["seeds"]:
            write_search(config, dataset, seed)
            for rank, network in enumerate(config["networks"]):
                write_network(config, dataset, seed, network, miou=50.0 + 5 * rank + number)


def write_search(config: dict, dataset: str, seed: int) -> None:
    search = settings.for_dataset(config, dataset)["search"]
    space = SearchSpace.from_settings(search)
    generator = np.random.default_rng(seed)
    for stage in range(search["shrink_stages"] + 1):
        first = stage * EPOCHS + 1
        history = [epoch_record(space, epoch) for epoch in range(first, first + EPOCHS)]
        metrics = {
            "stage": stage,
            "epochs": EPOCHS,
            "hours": 0.5 - 0.1 * stage,
            "peak_gb": 3.0 - stage,
            "relaxed_miou": 60.0,
            "one_hot_miou": 40.0 + 5 * stage,
            "gates_decided": 0.5,
            "groups": {"operator": {"exist": 4, "decided": 1 + stage}},
            "options_alive": {gate: int(space.allowed(gate).sum()) for gate in GATES},
            "parameters": 10**6,
            "history": history,
            "provenance": PROVENANCE,
        }
        files.write_json(paths.stage_metrics_path({}, dataset, seed, stage), metrics)
    for pattern in (paths.GENOTYPE, paths.SELECTED):
        path = pattern.format(dataset=dataset, seed=seed, network="random")
        build_genotype(space, random_choice(space, generator)).write(Path(path))
    groups = {"operator": {"exist": 4, "decided": 3}}
    end = {"gap": 10.0, "gates_decided": 0.75, "groups": groups, "relaxed_miou": 40.0, "one_hot_miou": 30.0}
    files.write_json(Path(paths.GAP.format(dataset=dataset, seed=seed)), {"hours": 1.2, "peak_gb": 3.0, "end": end})
    decided = {"gates_decided": 0.75, "groups": {gate: {"exist": 4, "decided": 3} for gate in GATES}}
    files.write_json(Path(paths.DISCRETIZATION.format(dataset=dataset, seed=seed)), decided)


def epoch_record(space: SearchSpace, epoch: int) -> dict:
    """Return the record of one epoch: each group's first option gains, and the last block is dropped after epoch 4."""
    first = 1 - 0.5**epoch
    blocks, operators = space.gate_shape("operator")
    kept = blocks if epoch <= 4 else blocks - 1

    def groups(count: int, options: int) -> list:
        row = [first] + [(1 - first) / (options - 1)] * (options - 1)
        return [[round(p, 4) for p in row] if index < kept else [] for index in range(count)]

    widths = groups(blocks, space.width_options)
    probabilities = {"depth": groups(2, 3), "operator": groups(blocks, operators), "mid_width": widths}
    return {
        "epoch": epoch,
        **dict.fromkeys(("loss_weights", "loss_cross_entropy", *(f"loss_{gate}" for gate in GATES)), 2.0 / epoch),
        "options_alive": {gate: int(space.allowed(gate).sum()) for gate in GATES},
        "entropy": dict.fromkeys(GATES, 1.0 / epoch),
        "gates_decided": 0.1,
        "cost_ratio": 0.5,
        "cost_target": 0.6,
        "probabilities": {**probabilities, "out_width": widths},
    }


def write_network(config: dict, dataset: str, seed: int, network: str, miou: float) -> None:
    names = {"dataset": dataset, "seed": seed, "network": network}
    dataset_config = settings.for_dataset(config, dataset)
    training = {
        "kind": project_files.network_kind(network),
        "train_split": "train",
        "pretrained": "no",
        "device": "a CPU",
        "epochs": 2,
        "iterations": 8,
        "hours": 0.25,
        "peak_gb": 1.0,
        "history": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}],
        "provenance": PROVENANCE,
    }
    accuracy = {"images": 4, "miou": miou, "pixel_accuracy": 80.0, "iou": dict.fromkeys(CLASSES, miou)}
    weights = {"bytes": 3_900_000, "sha256": hashlib.sha256(f"{names}".encode()).hexdigest()}
    splits = {"val": accuracy, "test": accuracy if dataset == "town" else None}
    size = dataset_config["dataset"]["size"]
    exported = {
        **weights,
        "size": size,
        **{split: value and {**value, "miou": miou - 0.5} for split, value in splits.items()},
    }
    evaluation = {"weights": weights, **splits, "exported": exported, "export_problem": None}
    cost = {"params": int(10**6 * miou), "macs": 10**9, "fps": round(1000 / miou, 2), "latency_ms_p50": miou}
    record = {**cost, "latency_ms_p95": miou + 1, "device": "a CPU", "backend": "eager", "precision": "fp32"}
    sizes = [dataset_config["dataset"]["size"], *dataset_config["profile"]["sizes"]]
    records = [{"size": size, **record} for size in sizes]
    files.write_json(Path(paths.TRAINING.format(**names)), training)
    files.write_json(Path(paths.EVALUATION.format(**names)), evaluation)
    files.write_json(Path(paths.PROFILE.format(**names)), {"records": records, "provenance": PROVENANCE})
    folder = Path(paths.PREDICTIONS.format(**names))
    folder.mkdir(parents=True)
    height, width = dataset_config["dataset"]["size"]
    for split in ("val", "test") if dataset == "town" else ("val",):
        panels = [np.full((height, width, 3), shade, dtype=np.uint8) for shade in (60, 120, 180)]
        Image.fromarray(np.concatenate(panels, axis=1)).save(folder / f"{split}_0000.png")


ABLATION = """\
dataset,regularizer,shrink,dimensions,seed,relaxed_miou,one_hot_miou,gap,retrained_miou,gates_decided,entropy,cost_ratio
town,ssr,on,joint,0,40,38,2,,1,0,0.6
town,ssr,on,joint,1,42,38,4,,1,0,0.6
town,none,on,joint,0,40,30,10,,0.5,0.2,0.6
town,none,on,joint,1,40,28,12,,0.5,0.2,0.6
town,<b>odd</b>,off,depth,0,40,39,1,,0.5,0.2,0.6
"""
ANSWER = """\
# Ablation of the discretization gap on town

5 searches.

## Is SSR's gap smaller than without it?

Of 2 settings, SSR's gap is smaller in 1.

- Searching `joint` with shrinking, it is <b>smaller</b>.

## Means over the seeds
"""
SUMMARY = """\
dataset,network,kind,input_size,seeds,miou_val_mean,miou_val_std,miou_test_mean,miou_test_std,chosen_seed
town,searched,searched,64x128,2,50.5,0.71,51.0,0.5,1
yard,erfnet,baseline,64x96,2,60.25,,,,
"""


def write_comparisons() -> None:
    """Write the ablation table and its text, and the summary over two seeds."""
    for path, text in ((paths.ABLATION, ABLATION), (paths.ABLATION_REPORT, ANSWER), (paths.SUMMARY, SUMMARY)):
        files.write_text(Path(path), text)
