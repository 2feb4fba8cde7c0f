"""Measure what a short job costs, with imports put off and with all of them; print JSON.

    python benchmarks/job_start.py --rounds 5 --out benchmarks/records/job-start-cpu.json

The jobs are a training of two steps and the evaluation of its network, on a few rendered scenes. Times are CPU seconds
of the whole process, start and imports included; `torch` is a process that imports torch and nothing else. The variants
take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from command_line import run_benchmark

from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.profiling import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.utils import option_types as types
from ssr_mmseg.utils.files import write_json, write_text

CONFIG = """\
device: cpu
networks: [small_camvid]
datasets: {town: {type: streets, size: [32, 64], options: {train: 8, val: 2, test: 2, seed: 1}}}
retrain: {epochs: 1, min_steps: 1, batch_size: 4}
evaluate: {frames: 0, exported: false}
"""
NETWORK = ["--dataset", "town", "--seed", "0", "--network", "small_camvid"]
COMMAND = "import sys\n{before}from ssr_mmseg.cli import main\nsys.exit(main(sys.argv[1:]))"
EAGER = "import ssr_mmseg.utils.deferred_imports as d\nd.defer_imports = lambda: None\n"
VARIANTS = {"deferred": COMMAND.format(before=""), "eager": COMMAND.format(before=EAGER)}


def cpu_seconds(arguments: list[str], folder: Path) -> float:
    """Run Python in a folder, and return the CPU time of the process.

    Raises:
        CalledProcessError: It fails.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(paths.PROJECT),
        "PYTHONPYCACHEPREFIX": str(folder / "cache"),
    }
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=types.whole_number(1, 1000), default=5, help="runs of each (%(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(folder / "config.yaml", CONFIG)
        first = ["prepare", "--dataset", "town", "--config", "config.yaml"]
        cpu_seconds(["-c", VARIANTS["deferred"], *first], folder)
        for number in range(arguments.rounds + 1):
            if number == 1:
                times.clear()  # the first round has compiled Python's modules
            times.setdefault("torch", []).append(cpu_seconds(["-c", "import torch"], folder))
            for variant, code in VARIANTS.items():
                for stage in ("retrain", "evaluate"):
                    seconds = cpu_seconds(["-c", code, stage, "--config", "config.yaml", *NETWORK], folder)
                    times.setdefault(f"{stage}, {variant}", []).append(seconds)
                for work in (folder / "results/work").rglob("*.pth"):
                    work.unlink()  # otherwise the next training would have nothing to do
    record = {
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "cpu_seconds": {name: statistics.median(values) for name, values in times.items()},
        "ratio": {
            stage: statistics.median(
                ours / theirs
                for ours, theirs in zip(times[f"{stage}, deferred"], times[f"{stage}, eager"], strict=True)
            )
            for stage in ("retrain", "evaluate")
        },
        "raw": times,
        "environment": environment(torch.device("cpu")),
        "provenance": provenance(),
    }
    if arguments.out:
        write_json(arguments.out, record)
    print(json.dumps({key: record[key] for key in ("cpu_seconds", "ratio")}))


if __name__ == "__main__":
    run_benchmark(main)
