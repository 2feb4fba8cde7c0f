"""Compare time and memory of a shortened search on CamVid with the reference's step time × steps; write JSON.

    python benchmarks/search_cost.py --source CAMVID --reference PATH --threads 2 --out benchmarks/records/NAME.json

Each stage runs in its own process, as in the workflow; the reference's supernet makes its steps between the stages, at
the same size, batch and cost target. It never shrinks and has no warm-up, so its whole search would take its step
time × our steps. Charts of time, memory and parameters per stage are written next to the JSON as SVG.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import quiet_mmseg  # noqa: F401
from command_line import run_benchmark
from our_supernet import SPACE
from reference_supernet import TARGET
from workers import WARM_UP, Worker

from ssr_mmseg import settings
from ssr_mmseg.jobs import glibc_malloc
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.profiling import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

DATASET = "camvid"
TURN = 2  # steps of the reference after each stage
CHARTS = ("cost-hours", "cost-peak-gb", "cost-parameters")


def configuration(arguments: argparse.Namespace) -> dict:
    """Return the configuration of the search: the reference's 5 + 8 blocks on CamVid, with a few epochs per stage."""
    return settings.complete(
        {
            "device": arguments.device,
            "networks": ["searched"],
            "datasets": {
                DATASET: {"type": "camvid", "source": str(arguments.source.resolve()), "size": arguments.size}
            },
            "search": {
                "space": SPACE,
                "epochs": arguments.epochs,
                "shrink_stages": arguments.stages,
                "shrink_epochs": arguments.epochs,
                "min_steps": 1,  # not more epochs than asked for
                "batch_size": arguments.batch,
                "cost": {"type": "macs", "target": TARGET},
            },
            "threads": {"search": arguments.threads},
        }
    )


def run_command(folder: Path, threads: int, *arguments: str) -> None:
    """Run a command of the package in `folder`, with its output on the terminal.

    Raises:
        UserError: The command failed.
    """
    variables = {glibc_malloc.VARIABLE: glibc_malloc.TUNABLES, **os.environ, "OMP_NUM_THREADS": str(threads)}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(paths.PROJECT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "ssr_mmseg", *arguments, "--config", "config.json"]
    if subprocess.run(command, cwd=folder, env=variables).returncode:
        raise UserError(f"{' '.join(arguments)} failed in {folder}; see its message above")


def measure(arguments: argparse.Namespace, folder: Path) -> dict:
    """Run every stage, and the reference's steps between them; return the record."""
    config = configuration(arguments)
    write_json(folder / "config.json", config)
    run_command(folder, arguments.threads, "prepare", "--dataset", DATASET)
    options = {key: getattr(arguments, key) for key in ("device", "threads", "batch", "size")}
    reference = Worker("reference", {**options, "reference": str(arguments.reference.resolve()), "precision": "fp32"})
    reference_seconds: list[float] = []
    try:
        reference.ask(f"run {WARM_UP}")
        reference_seconds += reference.ask(f"run {TURN}")["seconds"]
        for stage in range(arguments.stages + 1):
            command = ["shrink", "--stage", str(stage)] if stage else ["search"]
            run_command(folder, arguments.threads, *command, "--dataset", DATASET)
            reference_seconds += reference.ask(f"run {TURN}")["seconds"]
        facts = reference.ask("end")
    finally:
        reference.close()
    manifest = read_json(folder / paths.result_path(config, paths.MANIFEST, dataset=DATASET))
    per_epoch = manifest["splits"]["train"]["images"] // 2 // arguments.batch
    stages = []
    for stage in range(arguments.stages + 1):
        metrics = read_json(folder / paths.stage_metrics_path(config, DATASET, 0, stage))
        seconds = metrics["hours"] * 3600
        row = {"stage": stage, "steps": arguments.epochs * per_epoch, "seconds": seconds}
        keys = ("peak_gb", "data_wait_share", "parameters", "options_alive", "gates_decided", "one_hot_miou")
        stages.append(row | {key: metrics[key] for key in keys})
    steps, total = sum(stage["steps"] for stage in stages), sum(stage["seconds"] for stage in stages)
    step = statistics.median(reference_seconds)
    return {
        "config": {"size": arguments.size, "search": config["search"]},
        "stages": stages,
        "steps": steps,
        "seconds": total,
        "reference": {"seconds_per_step": step, "all_seconds": reference_seconds, "peak_gb": facts["peak_gb"]},
        "ratio": {
            "time": total / (steps * step),
            "memory": [stage["peak_gb"] / facts["peak_gb"] for stage in stages],
        },
    }


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="folder of CamVid, see config/camvid.yaml")
    parser.add_argument("--reference", type=Path, required=True, help="clone of Sunshine-Ye/IJCV22-SSR")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    parser.add_argument("--batch", type=int, default=6, help="images per step (%(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=[184, 240], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--epochs", type=int, default=2, help="epochs of every stage (%(default)s)")
    parser.add_argument("--stages", type=int, default=5, help="shrinking stages (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write; the charts are written next to it")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    device = resolve_device(arguments.device)
    for path in (arguments.source, arguments.reference):
        if not path.is_dir():
            raise UserError(f"{path} is not a folder; expected CamVid and a clone of Sunshine-Ye/IJCV22-SSR")
    with tempfile.TemporaryDirectory() as name:
        record = measure(arguments, Path(name))
        run_command(Path(name), 1, "figures")
        record |= {"environment": environment(device), "provenance": provenance()}
        record["environment"]["threads"] = arguments.threads
        write_json(arguments.out, record)
        for chart in CHARTS:
            source = Path(name) / paths.FIGURES / f"{DATASET}-seed0-{chart}.svg"
            shutil.copy(source, arguments.out.with_name(f"{arguments.out.stem}-{chart}.svg"))
    print(json.dumps(record, indent=2))
    return 0


if __name__ == "__main__":
    run_benchmark(main)
