"""Compare time and memory of one search iteration with the reference's, in turns in one run; print JSON.

    python benchmarks/search_step.py --reference PATH --threads 2 --out benchmarks/records/NAME.json

An iteration is a weight step and an architecture step with their optimizers, with every option alive, on a space of
5 + 8 blocks of 64 and 128 channels. PATH is a clone of github.com/Sunshine-Ye/IJCV22-SSR; without it only our search is
timed.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch
from command_line import run_benchmark
from workers import WARM_UP, Worker

from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.profiling import environment
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json


def measure(options: dict, rounds: int, steps: int) -> dict:
    """Run the programs in turn, `steps` iterations each, for `rounds` rounds after a warm-up; return the results."""
    names = [
        *(["reference"] if options["reference"] else []),
        "ours",
        "peak",
    ]  # the reference first, so that a wrong clone fails early
    workers = {}
    seconds: dict[str, list[list[float]]] = {name: [] for name in names}
    cpu: dict[str, list[list[float]]] = {name: [] for name in names}
    try:
        for name in names:
            workers[name] = Worker(name, options)
            workers[name].ask(f"run {WARM_UP}")
        for number in range(rounds):
            for name in names:
                answer = workers[name].ask(f"run {steps if name != 'peak' else 1}")
                seconds[name].append(answer["seconds"])
                cpu[name].append(answer["cpu_seconds"])
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        facts = {name: worker.ask("end") for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.close()
    results = {
        name: {
            "seconds": statistics.median(value for turn in seconds[name] for value in turn),
            "cpu_seconds": statistics.median(value for turn in cpu[name] for value in turn),
            **facts[name],
            "all_seconds": seconds[name],
        }
        for name in names
        if name != "peak"
    }
    reached = results["ours"]["gflop_per_step"] / results["ours"]["seconds"]
    peak = facts["peak"]["gflops"]
    results |= {"convolution_peak_gflops": peak, "reached_gflops": reached, "share_of_peak": reached / peak}
    if options["reference"]:
        results["ratio"] = {
            "time": ratio(seconds),
            "cpu_time": ratio(cpu),
            "memory": facts["ours"]["peak_gb"] / facts["reference"]["peak_gb"],
        }
    return results


def ratio(turns: dict[str, list[list[float]]]) -> float:
    """Return the median over the rounds of our median divided by the reference's, which cancels slow drifts."""
    rounds = zip(turns["ours"], turns["reference"], strict=True)
    return statistics.median(statistics.median(ours) / statistics.median(theirs) for ours, theirs in rounds)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, help="clone of Sunshine-Ye/IJCV22-SSR")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--precision", choices=["fp32", "tf32", "bf16"], default="fp32", help="precision of our search (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    parser.add_argument("--batch", type=int, default=2, help="images per step (%(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=[256, 512], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=int, default=7, help="turns of each program (%(default)s)")
    parser.add_argument("--steps", type=int, default=2, help="iterations per turn (%(default)s)")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    device = resolve_device(arguments.device)
    if arguments.precision == "tf32" and device.type == "cpu":
        raise UserError("precision tf32 needs a GPU; choose fp32 or bf16 on the CPU")
    if arguments.reference and not arguments.reference.is_dir():
        raise UserError(f"{arguments.reference} is not a folder; give a clone of Sunshine-Ye/IJCV22-SSR")
    torch.set_num_threads(arguments.threads)
    setting = {key: getattr(arguments, key) for key in ("device", "precision", "threads", "batch", "size")}
    reference = str(arguments.reference.resolve()) if arguments.reference else None
    results = measure({**setting, "reference": reference}, arguments.rounds, arguments.steps)
    record = {"setting": setting, **results, "environment": environment(device), "provenance": provenance()}
    if arguments.out:
        write_json(arguments.out, record)
    print(json.dumps(record, indent=2))
    return 0


if __name__ == "__main__":
    run_benchmark(main)
