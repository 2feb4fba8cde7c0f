"""Effects of the ingredients of a recipe, from the results of the experiment that `recipe.py` has written.

    python benchmarks/recipe_effects.py --out runs/recipe --record benchmarks/records/recipe-camvid-cpu.json

A pair is a seed: the variant's mIoU minus the recipe's on a held-out sequence, with the 95 % interval of the mean over
the pairs and Holm's correction for the number of comparisons. Sequences are not pooled, since an effect can be large on
one and absent on another. The record keeps runs of earlier calls, if their settings
are the same: a long experiment can be measured in parts, and on several machines.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from command_line import run_benchmark
from paired_effects import add_corrected, comparison, table

from ssr_mmseg import settings
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

BASE = "recipe"  # the variant that the others are compared with
COLUMNS, HEADING = {"variant": "variant", "sequence": "held out"}, "mIoU, variant minus recipe"

Run = dict[str, Any]


def finished_runs(config: dict[str, Any]) -> list[Run]:
    """Return variant, held-out sequence, seed and mIoU (%) of every finished training of the experiment."""
    (network,) = config["networks"]
    runs = []
    for name, entry in config["datasets"].items():
        if "hold_out" not in entry:
            continue  # what a variant is pretrained on
        (sequence,) = entry["hold_out"]
        for seed in config["seeds"]:
            file = paths.result_path(config, paths.EVALUATION, dataset=name, seed=seed, network=network)
            if file.is_file():
                variant, miou = name.removesuffix(f"_{sequence}"), read_json(file)["val"]["miou"]
                runs.append({"variant": variant, "sequence": sequence, "seed": seed, "miou": miou})
    return runs


def merged(earlier: Sequence[Run], later: Sequence[Run]) -> list[Run]:
    """Return all runs in order; a later one replaces an earlier one of the same variant, sequence and seed."""
    found = {(run["variant"], run["sequence"], run["seed"]): run for run in [*earlier, *later]}
    return [found[key] for key in sorted(found)]


def effects(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the effect of each variant on each sequence: the variant with the largest mean first, then by sequence."""
    scores = {(run["variant"], run["sequence"], run["seed"]): run["miou"] for run in runs}
    rows = []
    for variant, sequence in sorted({key[:2] for key in scores if key[0] != BASE}):
        seeds = [key[2] for key in scores if key[:2] == (variant, sequence) and (BASE, sequence, key[2]) in scores]
        if seeds:
            ours, base = ([scores[name, sequence, seed] for seed in seeds] for name in (variant, BASE))
            rows.append({"variant": variant, "sequence": sequence, **comparison(ours, base)})
    add_corrected(rows)
    found_variants = {row["variant"] for row in rows}
    means = {name: fmean(row["difference"] for row in rows if row["variant"] == name) for name in found_variants}
    return sorted(rows, key=lambda row: (-means[row["variant"]], row["sequence"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder that recipe.py has written")
    parser.add_argument("--record", type=Path, help="JSON file to add the runs to")
    arguments = parser.parse_args()

    config = settings.read_config(arguments.out / "recipe.yaml")
    runs = finished_runs(config)
    base = next((entry for name, entry in config["datasets"].items() if name.startswith(f"{BASE}_")), None)
    if not runs or base is None:
        raise UserError(f"no results of {arguments.out}/recipe.yaml: run it with snakemake, with the variant {BASE}")
    recipe = {
        "size": base["size"],
        "epochs": base["retrain"]["epochs"],
        "batch_size": base["retrain"]["batch_size"],
        "network": config["networks"][0],
        "config": config["retrain"]["config"],
    }
    if arguments.record and arguments.record.is_file():
        earlier = read_json(arguments.record)
        found = earlier.get("settings") if isinstance(earlier, dict) else None
        if found != recipe:
            raise UserError(f"{arguments.record} is of {found}, but these results are of {recipe}; name another file")
        runs = merged(earlier["runs"], runs)
    rows = effects(runs)
    if arguments.record:
        command = " ".join([Path(sys.executable).name, *sys.argv])
        machine = environment(resolve_device(config["device"]))
        write_json(
            arguments.record,
            {"command": command, "settings": recipe, "environment": machine, "effects": rows, "runs": runs},
        )
    for sequence in sorted({run["sequence"] for run in runs}):
        scores = [run["miou"] for run in runs if (run["variant"], run["sequence"]) == (BASE, sequence)]
        if scores:
            print(f"recipe on {sequence}: mIoU {fmean(scores):.2f} % over {len(scores)} seeds")
    print(f"\n{table(rows, COLUMNS, HEADING)}")


if __name__ == "__main__":
    run_benchmark(main)
