"""Compare predicted and measured latencies of random networks of a search space, and print JSON.

    python benchmarks/latency_model.py --config config/config.yaml --dataset streets --classes 11 --size 512x1024

measures or resumes the latency table first (`--out`), then measures networks that are not in the table, in turn with
its reference. `--measured REPORT` uses the latencies of an earlier report instead, to evaluate another model on them.
All other options are those of `ssr-mmseg latency-table`. docs/latency.md explains the result.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import quiet_mmseg  # noqa: F401
import torch
from command_line import run_benchmark
from scipy.stats import spearmanr

from ssr_mmseg import cli, commands, settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.measure import GROUP, list_parts, time_parts
from ssr_mmseg.costs.latency_table.parts import NetworkPart, random_parts
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.profiling.interleaved import scale_to_reference
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.files import read_json, write_json

SEED = 1  # differs from that of the table's networks, 0


def measure(parts: list[NetworkPart], table: LatencyTable, space: SearchSpace, device: torch.device) -> np.ndarray:
    """Measure median latencies in ms, scaled to the table's reference: (3, networks), of all, odd and even rounds."""
    assert table.reference_ms is not None  # a finished table has it
    reference = list_parts(space, table)[0]
    times = []
    for first in range(0, len(parts), GROUP):
        with arithmetic(table.key["precision"]):
            samples = time_parts([reference, *parts[first : first + GROUP]], table, device)
        halves = (samples, samples[:, 1::2], samples[:, ::2])
        times.append([scale_to_reference(half, table.reference_ms) for half in halves])
        done = min(first + GROUP, len(parts))
        print(f"latency_model: {done} of {len(parts)} networks", file=sys.stderr, flush=True)
    return np.concatenate(times, axis=1)


def agreement(predicted: np.ndarray, measured: np.ndarray) -> dict:
    """Summarize the relative errors and the rank correlation; `bias` is the signed median error."""
    errors = predicted / measured - 1
    return {
        "mean_error": round(float(np.abs(errors).mean()), 4),
        "median_error": round(float(np.median(np.abs(errors))), 4),
        "worst_error": round(float(np.abs(errors).max()), 4),
        "bias": round(float(np.median(errors)), 4),
        "spearman": round(float(spearmanr(predicted, measured).statistic), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=30, help="networks to measure (%(default)s)")
    parser.add_argument("--genotype", type=Path, action="append", default=[], help="another network to measure")
    parser.add_argument("--report", type=Path, help="also write the JSON to this file")
    parser.add_argument("--measured", type=Path, help="earlier report to take the measured latencies from")
    options, rest = parser.parse_known_args()
    command = ["latency-table", *rest]
    status = 0 if options.measured else cli.main(command)
    if status:
        return status
    arguments = cli.parser().parse_args(command)
    config = commands.latency_settings(arguments, settings.read_config(arguments.config))
    dataset = settings.for_dataset(config, arguments.dataset)
    if dataset["latency"]["threads"]:
        torch.set_num_threads(dataset["latency"]["threads"])
    table = LatencyTable.read(
        arguments.out or paths.result_path(config, paths.LATENCY_TABLE, dataset=arguments.dataset)
    )
    space = SearchSpace.from_settings(dataset["search"])
    parts = random_parts(space, options.networks, SEED)
    parts += [NetworkPart(Genotype.read(path)) for path in options.genotype]
    if options.measured:
        earlier = read_json(options.measured)
        latencies, repeated = np.array(earlier["measured_ms"]), earlier["repeated_spearman"]
    else:
        latencies, *halves = measure(parts, table, space, resolve_device(config["device"]))
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
        "repeated_spearman": repeated,  # of odd with even rounds: an upper bound for any model
        **agreement(predicted, latencies),
        "without_factors": agreement(np.array([model.of(part.genotype) for part in parts]), latencies),
        "measured_ms": latencies.round(3).tolist(),
        "predicted_ms": predicted.round(3).tolist(),
    }
    print(json.dumps(result, indent=2))
    if options.report:
        write_json(options.report, result)
    return 0


if __name__ == "__main__":
    run_benchmark(main)
