"""What a searched network gains and saves if its training starts with the weights of the supernet.

    python benchmarks/inherited_weights.py --out runs/inherited
    snakemake --cores all results/inherited/summary.csv --configfile runs/inherited/inherited.yaml
    python benchmarks/inherited_weights.py --out runs/inherited --record benchmarks/records/inherited-weights-cpu.json

The first call writes an experiment, the last one reads its results. For each seed, the searched network is trained
from scratch and from the supernet's weights (`retrain.weights: supernet`), for the whole length of the experiment's
training and for a part of it. A pair is a seed; differences are of mIoU on val, with the 95 % interval of their mean.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from command_line import run_benchmark

from ssr_mmseg import settings
from ssr_mmseg.evaluation.statistics import compare_paired
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.utils import option_types as types
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

NETWORK = "searched"
SCRATCH, INHERITED = "scratch", "inherited"
COMPARISONS = ((INHERITED, SCRATCH), (f"{INHERITED}_short", f"{SCRATCH}_short"), (f"{INHERITED}_short", SCRATCH))


def experiment(name: str, base: Path, share: float, seeds: list[int]) -> dict[str, Any]:
    """Return the experiment: a dataset for each start and length of the training.

    Args:
        name: Name of the experiment.
        base: Experiment with one dataset, whose search and retraining are used.
        share: Length of the short trainings, as a part of the experiment's.
        seeds: Seeds of the searches and trainings.

    Raises:
        UserError: The base has several datasets.
    """
    config = yaml.safe_load(paths.project_file(base).read_text(encoding="utf-8"))
    if len(config["datasets"]) != 1:
        raise UserError(f"--config: {base} has {len(config['datasets'])} datasets, expected one; name another file")
    (dataset,) = config["datasets"].values()
    own = dataset.get("retrain", {})
    whole = own.get("epochs", config["retrain"]["epochs"])
    lengths = {"": whole, "_short": max(1, round(share * whole))}
    starts: dict[str, dict] = {SCRATCH: {}, INHERITED: {"weights": "supernet"}}
    config.pop("ablation", None)
    config["profile"] |= {"sizes": [], "runs": 1, "seconds": 0.1}  # speed is not compared
    config["evaluate"] |= {"frames": 0, "exported": False}
    datasets = {
        f"{start}{length}": {**dataset, "retrain": {**own, "min_steps": 1, "epochs": epochs, **weights}}
        for length, epochs in lengths.items()
        for start, weights in starts.items()
    }
    return config | {"name": name, "datasets": datasets, "seeds": seeds, "networks": [NETWORK]}


def finished_runs(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the start, seed, length, mIoU on val (%) and training time of every finished training."""
    runs = []
    for name, entry in config["datasets"].items():
        for seed in config["seeds"]:
            place = {"dataset": name, "seed": seed, "network": NETWORK}
            evaluation, training = (
                paths.result_path(config, file, **place) for file in (paths.EVALUATION, paths.TRAINING)
            )
            if evaluation.is_file():
                run = {"start": name, "seed": seed, "epochs": entry["retrain"]["epochs"]}
                runs.append(run | {"miou": read_json(evaluation)["val"]["miou"], "hours": read_json(training)["hours"]})
    return runs


def comparisons(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the paired comparisons of two starts each, for which there are results of a seed."""
    scores = {(run["start"], run["seed"]): run["miou"] for run in runs}
    rows = []
    for ours, base in COMPARISONS:
        seeds = [seed for start, seed in scores if start == ours and (base, seed) in scores]
        if seeds:
            found = compare_paired(*([scores[start, seed] for seed in seeds] for start in (ours, base)))
            row = {"start": ours, "compared_with": base, "pairs": found.pairs, "difference": found.difference}
            rows.append(row | {"interval": found.interval, "p": found.t_p})
    return rows


def line(row: dict[str, Any]) -> str:
    """Return a comparison as a line of text."""
    interval = "" if row["interval"] is None else " ({:+.2f} to {:+.2f})".format(*row["interval"])
    return f"{row['start']} minus {row['compared_with']}: {row['difference']:+.2f}{interval}, {row['pairs']} seeds"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the experiment, which has its name")
    parser.add_argument(
        "--config", type=Path, default=Path("config/config.yaml"), help="experiment with one dataset (%(default)s)"
    )
    parser.add_argument(
        "--short", type=types.share, default=0.25, help="length of the short trainings, as a part (%(default)s)"
    )
    parser.add_argument("--seeds", type=types.seed, nargs="+", default=list(range(6)), help="seeds (0 to 5)")
    parser.add_argument("--record", type=Path, help="JSON file to write the results to, at the end")
    arguments = parser.parse_args()

    target = arguments.out / "inherited.yaml"
    if arguments.record is None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        config = experiment(arguments.out.name, arguments.config, arguments.short, arguments.seeds)
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
    print("\n".join(map(line, rows)))


if __name__ == "__main__":
    run_benchmark(main)
