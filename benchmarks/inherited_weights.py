"""What a searched network gains and saves if its training starts with the weights of the supernet.

    python benchmarks/inherited_weights.py --out runs/inherited
    snakemake --cores all results/inherited/summary.csv --configfile runs/inherited/inherited.yaml
    python benchmarks/inherited_weights.py --out runs/inherited --record benchmarks/records/inherited-weights-cpu.json

The first call writes an experiment, the last one reads its results. For each seed, the searched network is trained
from scratch and from the supernet's weights (`retrain.weights: supernet`), for several lengths. A pair is a seed;
differences are of mIoU on val, with the 95 % interval of their mean and Holm's correction for all of them.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from command_line import run_benchmark
from paired_effects import add_corrected, comparison, table

from ssr_mmseg import settings
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.utils import option_types as types
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json
from ssr_mmseg.utils.limits import MAX_EPOCHS

NETWORK = "searched"
SCRATCH, INHERITED = "scratch", "inherited"
COLUMNS = {"inherited_epochs": "inherited, epochs", "scratch_epochs": "scratch, epochs"}


def experiment(name: str, base: Path, lengths: list[int], seeds: list[int]) -> dict[str, Any]:
    """Return the experiment: a dataset for each start and length of the training.

    Args:
        name: Name of the experiment.
        base: Experiment with one dataset, whose search and recipe are used.
        lengths: Epochs of the trainings.
        seeds: Seeds of the searches and trainings.

    Raises:
        UserError: The base has another number of datasets.
    """
    config = yaml.safe_load(paths.project_file(base).read_text(encoding="utf-8"))
    found = config.get("datasets") if isinstance(config, dict) else None
    if not isinstance(found, dict) or len(found) != 1:
        raise UserError(f"--config: {base} has {len(found or ())} datasets, expected one; name another file")
    (dataset,) = config["datasets"].values()
    starts: dict[str, dict] = {SCRATCH: {}, INHERITED: {"weights": "supernet"}}
    config.pop("ablation", None)
    speed = {"sizes": [], "runs": 1, "seconds": 0.1}  # which is not compared
    config["profile"] = {**config.get("profile", {}), **speed}
    config["evaluate"] = {**config.get("evaluate", {}), "frames": 0, "exported": False}
    datasets = {
        f"{start}_{epochs}": {
            **dataset,
            "retrain": {**dataset.get("retrain", {}), "min_steps": 1, "epochs": epochs, **weights},
        }
        for epochs in lengths
        for start, weights in starts.items()
    }
    return config | {"name": name, "datasets": datasets, "seeds": seeds, "networks": [NETWORK]}


def finished_runs(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return start, epochs, seed and mIoU on val (%) of every finished training."""
    runs = []
    for name, entry in config["datasets"].items():
        start, epochs = name.rpartition("_")[0], entry["retrain"]["epochs"]
        for seed in config["seeds"]:
            file = paths.result_path(config, paths.EVALUATION, dataset=name, seed=seed, network=NETWORK)
            if file.is_file():
                runs.append({"start": start, "epochs": epochs, "seed": seed, "miou": read_json(file)["val"]["miou"]})
    return runs


def comparisons(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the difference of the inherited start at each length from scratch at each length of at least as much."""
    scores = {(run["start"], run["epochs"], run["seed"]): run["miou"] for run in runs}
    lengths = sorted({run["epochs"] for run in runs})
    rows = []
    for epochs, other in itertools.combinations_with_replacement(lengths, 2):
        seeds = [seed for *kind, seed in scores if kind == [INHERITED, epochs] and (SCRATCH, other, seed) in scores]
        if seeds:
            ours = [scores[INHERITED, epochs, seed] for seed in seeds]
            found = comparison(ours, [scores[SCRATCH, other, seed] for seed in seeds])
            rows.append({"inherited_epochs": epochs, "scratch_epochs": other, **found})
    add_corrected(rows)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the experiment, which has its name")
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.yaml"), help="experiment with one dataset (%(default)s)"
    )
    length = types.whole_number(1, MAX_EPOCHS)
    parser.add_argument("--epochs", type=length, nargs="+", default=[4, 8, 16, 32], help="lengths (%(default)s)")
    parser.add_argument("--seeds", type=types.seed, nargs="+", default=list(range(6)), help="seeds (0 to 5)")
    parser.add_argument("--record", type=Path, help="JSON file to write the results to, at the end")
    arguments = parser.parse_args()

    target = arguments.out / "inherited.yaml"
    if arguments.record is None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        config = experiment(arguments.out.name, arguments.config, arguments.epochs, arguments.seeds)
        separate = json.loads(json.dumps(config))  # YAML would write a value that occurs twice as a reference
        target.write_text(yaml.safe_dump(separate, sort_keys=False), encoding="utf-8")
        print(f"{len(config['datasets'])} datasets, {len(arguments.seeds)} seeds: {target}")
        return
    config = settings.read_config(target)
    runs = finished_runs(config)
    rows = comparisons(runs)
    if not rows:
        raise UserError(f"no results of {target}: run it with snakemake first")
    command = " ".join([Path(sys.executable).name, *sys.argv])
    machine = environment(resolve_device(config["device"]))
    write_json(arguments.record, {"command": command, "environment": machine, "comparisons": rows, "runs": runs})
    print(table(rows, COLUMNS, "mIoU, inherited minus scratch"))


if __name__ == "__main__":
    run_benchmark(main)
