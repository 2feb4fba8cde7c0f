"""Measure the time and memory that Snakemake takes to plan a large experiment.

    python benchmarks/graph_scale.py [--profile slurm] [--output benchmarks/records/graph-scale.json]

writes a configuration of 20 datasets × 10 networks × 10 seeds × 4 cost targets to a temporary folder, lets Snakemake
plan its table from scratch, and prints jobs, seconds and peak memory as JSON. The targets are a list in
`search.cost.target`: each is a separate search, and networks that are not searched are trained once. Nothing is
trained, and only settings are read.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from command_line import run_benchmark

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from ssr_mmseg.utils.files import write_json  # noqa: E402

SHIPPED = ["searched", "random", "paper_cityscapes", "erfnet", "fast_scnn"]
TARGETS = [0.2, 0.4, 0.6, 0.8]


def write_experiment(folder: Path, datasets: int, networks: int, seeds: int, targets: int) -> Path:
    """Write the configuration and a genotype for each network that is not shipped; return the configuration's path."""
    published = [f"family{number}" for number in range(networks - len(SHIPPED))]
    genotypes = folder / "config/genotypes"
    genotypes.mkdir(parents=True)
    for name in published:
        shutil.copy(PROJECT / "config/genotypes/paper_cityscapes.json", genotypes / f"{name}.json")
    entries = {
        f"town{number}": {
            "type": "streets",
            "size": [96, 192],
            "options": {"seed": number},
            "search": {"cost": {"type": "macs", "target": TARGETS[:targets]}},
        }
        for number in range(datasets)
    }
    config = {"datasets": entries, "networks": [*SHIPPED, *published][:networks], "seeds": list(range(seeds))}
    path = folder / "scale.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def plan(folder: Path, config: Path, profile: str) -> dict:
    """Have Snakemake plan the table.

    Returns:
        Jobs by rule, wall-clock and processor seconds, and peak resident memory in MB.

    Raises:
        SystemExit: Snakemake failed; the message is the end of its output.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--nocolor", "results/table.csv"]
    command += ["--snakefile", str(PROJECT / "Snakefile"), "--configfile", str(config)]
    command += ["--workflow-profile", str(PROJECT / "profiles" / profile)]
    began = time.monotonic()
    with open(folder / "plan.txt", "w+", encoding="utf-8") as output:
        status = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT).returncode
        seconds = time.monotonic() - began
        output.seek(0)
        text = output.read()
    if status:
        sys.exit("\n".join(text.splitlines()[-10:]))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    total = jobs.pop("total")
    return {
        "jobs": total,
        "jobs_by_rule": jobs,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def main() -> None:
    """Measure once and print the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("datasets", 20), ("networks", 10), ("seeds", 10), ("targets", len(TARGETS))):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"number of {name} (%(default)s)")
    parser.add_argument("--profile", default="default", help="workflow profile to plan with (%(default)s)")
    parser.add_argument("--output", type=Path, help="also write the record to this file")
    arguments = parser.parse_args()
    scale = {name: getattr(arguments, name) for name in ("datasets", "networks", "seeds", "targets")}
    with tempfile.TemporaryDirectory() as folder:
        config = write_experiment(Path(folder), **scale)
        record = {"scale": scale, "profile": arguments.profile, **plan(Path(folder), config, arguments.profile)}
    # Imported late, because a child's peak memory includes that of the process that forks it, and torch is large.
    import torch

    from ssr_mmseg.profiling import environment

    record["cores"] = len(os.sched_getaffinity(0))
    record["machine"] = environment(torch.device("cpu"))
    print(json.dumps(record, indent=2))
    if arguments.output:
        write_json(arguments.output, record)


if __name__ == "__main__":
    run_benchmark(main)
