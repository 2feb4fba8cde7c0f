"""Predicted against measured latency of random networks of a search space: prints JSON.

    python benchmarks/latency_model.py --config config/config.yaml --dataset streets --classes 11 --size 512x1024

makes the latency table first, or goes on with it (`--out`), then measures networks that the table does not know, in
turn with its reference. `--measured REPORT` takes the times of an earlier report in their place, to see what another
model makes of them. `--points`, `--rounds`, `--backend`, `--precision`, `--threads`, `--device` are those of
`ssr-mmseg latency-table`. docs/latency.md says how to read the result.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from ssr_mmseg import cli, commands, settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.measure import GROUP, parts_of, time_parts
from ssr_mmseg.costs.latency_table.parts import NetworkPart, random_parts
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.profiling.interleaved import against_reference
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.files import read_json, write_json

SEED = 1  # the table's own networks are drawn with seed 0


def measured(parts: list[NetworkPart], table: LatencyTable, space: SearchSpace, device: torch.device) -> np.ndarray:
    """Median ms of whole networks, relative to the table's reference: (3, networks), of all, odd and even rounds."""

    reference = parts_of(space, table)[0]
    times = []
    for first in range(0, len(parts), GROUP):
        with arithmetic(table.key["precision"]):
            samples = time_parts([reference, *parts[first : first + GROUP]], table, device)
        halves = (samples, samples[:, 1::2], samples[:, ::2])
        times.append([against_reference(half, table.reference_ms) for half in halves])
        done = min(first + GROUP, len(parts))
        print(f"latency_model: {done} of {len(parts)} networks", file=sys.stderr, flush=True)
    return np.concatenate(times, axis=1)


def agreement(predicted: np.ndarray, found: np.ndarray) -> dict:
    """Relative errors, signed at their median, and rank correlation."""
    errors = predicted / found - 1
    return {
        "mean_error": round(float(np.abs(errors).mean()), 4),
        "median_error": round(float(np.median(np.abs(errors))), 4),
        "worst_error": round(float(np.abs(errors).max()), 4),
        "bias": round(float(np.median(errors)), 4),
        "spearman": round(float(spearmanr(predicted, found).statistic), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Predicted against measured latency of random networks.")
    parser.add_argument("--networks", type=int, default=30, help="networks to measure (%(default)s)")
    parser.add_argument("--genotype", type=Path, action="append", default=[], help="another network to measure")
    parser.add_argument("--report", type=Path, help="write the JSON here, too")
    parser.add_argument("--measured", type=Path, help="an earlier report to take the measured times from")
    own, rest = parser.parse_known_args()
    command = ["latency-table", *rest]
    status = 0 if own.measured else cli.main(command)
    if status:
        return status
    arguments = cli.parser().parse_args(command)
    config = commands.latency_settings(arguments, settings.read_config(arguments.config))
    dataset = settings.for_dataset(config, arguments.dataset)
    if dataset["latency"]["threads"]:
        torch.set_num_threads(dataset["latency"]["threads"])
    table = LatencyTable.read(arguments.out or Path(paths.LATENCY_TABLE.format(dataset=arguments.dataset)))
    space = SearchSpace.from_settings(dataset["search"])
    parts = random_parts(space, own.networks, SEED)
    parts += [NetworkPart(Genotype.read(path)) for path in own.genotype]
    if own.measured:
        earlier = read_json(own.measured)
        found, repeated = np.array(earlier["measured_ms"]), earlier["repeated_spearman"]
    else:
        found, *halves = measured(parts, table, space, resolve_device(config["device"]))
        repeated = round(float(spearmanr(*halves).statistic), 4)
    model = LatencyModel(space, table)
    predicted = np.array([model.of(part.genotype) for part in parts])
    factors = model.factors
    model.factors = np.ones_like(factors)
    result = {
        **{key: table.key[key] for key in ("device", "backend", "precision", "threads", "size", "classes", "versions")},
        "table": table.digest,
        "parts": len(table.entries),
        "points": table.points,
        "factors": factors.round(4).tolist(),
        "networks": len(parts),
        "repeated_spearman": repeated,  # of the times of odd with those of even rounds: how well they rank themselves
        **agreement(predicted, found),
        "without_factors": agreement(np.array([model.of(part.genotype) for part in parts]), found),
        "measured_ms": found.round(3).tolist(),
        "predicted_ms": predicted.round(3).tolist(),
    }
    print(json.dumps(result, indent=2))
    if own.report:
        write_json(own.report, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
