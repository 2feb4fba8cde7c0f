"""What a job costs before and beside its work: seconds to start, and what finished jobs leave on disk.

    python benchmarks/job_start.py [--results results] [--output benchmarks/records/job-start.json]

times, each as the median of several new processes, what every job of a cluster does first: Snakemake reads the workflow
and plans the one job (twice for a Slurm job: in its batch script and in its step), and the stage imports its libraries.
With a folder of results it also counts files and bytes by stage. Prints JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graph_scale import PROJECT, write_experiment

from ssr_mmseg.files import write_json

MANIFEST = "results/town0_target0/prepare/dataset.json"
SMALL = {"datasets": 1, "networks": 5, "seeds": 1, "targets": 1}
LARGE = {"datasets": 20, "networks": 10, "seeds": 10, "targets": 4}


def seconds(command: list[str], folder: Path, runs: int) -> float:
    """Median wall seconds of a command; the first run, which fills the disk's caches, does not count."""
    taken = []
    for _ in range(runs + 1):
        began = time.monotonic()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        taken.append(time.monotonic() - began)
    return round(statistics.median(taken[1:]), 2)


def start(runs: int) -> dict[str, float]:
    """Seconds of each part of a job's start."""
    python = [sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as name:
        found = {
            "python": seconds([*python, "pass"], Path(name), runs),
            "stage_imports": seconds(
                [*python, f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import ssr_mmseg.stages.search"],
                Path(name),
                runs,
            ),
        }
        for size, scale in (("small", SMALL), ("large", LARGE)):
            folder = Path(name) / size
            config = write_experiment(folder, **scale)
            plan = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", MANIFEST]
            plan += ["--snakefile", str(PROJECT / "Snakefile"), "--configfile", str(config)]
            found[f"snakemake_{size}_experiment"] = seconds(plan, folder, runs)
    return found


def stage_of(path: Path) -> str:
    """Stage that a file below `results` belongs to: prepare, search, shrink, retrain …, or what joins them."""
    parts = path.parts
    if parts[0] in ("logs", "benchmarks", "config", "report", "work"):
        return parts[0]
    if len(parts) > 2 and parts[1].startswith("seed"):
        return parts[2].rstrip("0123456789").removesuffix(".json")
    return parts[1] if len(parts) > 2 else "joined"


def left_on_disk(results: Path) -> dict[str, dict[str, int]]:
    """Files and bytes of each stage."""
    found: dict[str, dict[str, int]] = {}
    for path in sorted(results.rglob("*")):
        if path.is_file():
            entry = found.setdefault(stage_of(path.relative_to(results)), {"files": 0, "bytes": 0})
            entry["files"] += 1
            entry["bytes"] += path.stat().st_size
    return found


def main() -> None:
    """Measure and print the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="timed processes of each kind (%(default)s)")
    parser.add_argument("--results", type=Path, help="a folder `results` to count files and bytes of")
    parser.add_argument("--output", type=Path, help="write the record there, too")
    arguments = parser.parse_args()
    record: dict = {"seconds": start(arguments.runs)}
    if arguments.results:
        record["left_on_disk"] = left_on_disk(arguments.results)
    print(json.dumps(record, indent=2))
    if arguments.output:
        write_json(arguments.output, record)


if __name__ == "__main__":
    main()
