"""Time and memory of a whole shortened search on CamVid's frames, beside the reference's step time × steps: JSON.

    python benchmarks/search_cost.py --source CAMVID --reference PATH --threads 2 --out benchmarks/records/NAME.json

Each stage runs as the workflow runs it, in a process of its own; the reference's supernet makes its steps between the
stages, at the same size and batch. It never shrinks, so that its whole search costs its step time × our steps.
Beside the JSON stand charts of time, memory and parameters per stage, as SVG.
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

from our_supernet import SPACE
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
TURN = 2  # steps of the reference between two stages
CHARTS = ("cost-hours", "cost-peak-gb", "cost-parameters")


def configuration(arguments: argparse.Namespace) -> dict:
    """The search: the reference's 5 + 8 blocks on CamVid, a fixed number of epochs, the schedule of short searches."""
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
                "batch_size": arguments.batch,
            },
            "threads": {"search": arguments.threads},
        }
    )


def command(folder: Path, threads: int, *arguments: str) -> None:
    """Run a command of the package in `folder`; its messages stay visible."""
    variables = {glibc_malloc.VARIABLE: glibc_malloc.TUNABLES, **os.environ, "OMP_NUM_THREADS": str(threads)}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(paths.PROJECT), os.environ.get("PYTHONPATH")]))
    call = [sys.executable, "-m", "ssr_mmseg", *arguments, "--config", "config.json"]
    if subprocess.run(call, cwd=folder, env=variables).returncode:
        raise UserError(f"{' '.join(arguments)} failed in {folder}; see its message above")


def measure(arguments: argparse.Namespace, folder: Path) -> dict:
    """Run every stage, and the reference's steps between them."""
    config = configuration(arguments)
    write_json(folder / "config.json", config)
    command(folder, arguments.threads, "prepare", "--dataset", DATASET)
    options = {key: getattr(arguments, key) for key in ("device", "threads", "batch", "size")}
    reference = Worker("reference", {**options, "reference": str(arguments.reference.resolve()), "precision": "fp32"})
    theirs: list[float] = []
    try:
        reference.ask(f"run {WARM_UP}")
        theirs += reference.ask(f"run {TURN}")["seconds"]
        for stage in range(arguments.stages + 1):
            which = ["shrink", "--stage", str(stage)] if stage else ["search"]
            command(folder, arguments.threads, *which, "--dataset", DATASET)
            theirs += reference.ask(f"run {TURN}")["seconds"]
        facts = reference.ask("end")
    finally:
        reference.close()
    manifest = read_json(folder / paths.MANIFEST.format(dataset=DATASET))
    per_epoch = manifest["splits"]["train"]["images"] // 2 // arguments.batch
    stages = []
    for stage in range(arguments.stages + 1):
        metrics = read_json(folder / paths.stage_metrics_path(DATASET, 0, stage))
        seconds = metrics["hours"] * 3600
        row = {"stage": stage, "steps": arguments.epochs * per_epoch, "seconds": seconds}
        kept = ("peak_gb", "data_wait_share", "parameters", "options_alive", "gates_decided", "one_hot_miou")
        stages.append(row | {key: metrics[key] for key in kept})
    steps, total, step = (sum(s["steps"] for s in stages), sum(s["seconds"] for s in stages), statistics.median(theirs))
    return {
        "config": {"size": arguments.size, "search": config["search"]},
        "stages": stages,
        "steps": steps,
        "seconds": total,
        "reference": {"seconds_per_step": step, "all_seconds": theirs, "peak_gb": facts["peak_gb"]},
        "ratio": {
            "time": total / (steps * step),
            "memory": [stage["peak_gb"] / facts["peak_gb"] for stage in stages],
        },
    }


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="CamVid's folder, as in config/camvid.yaml")
    parser.add_argument("--reference", type=Path, required=True, help="clone of Sunshine-Ye/IJCV22-SSR")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    parser.add_argument("--batch", type=int, default=6, help="images per step (%(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=[184, 240], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--epochs", type=int, default=2, help="of every stage (%(default)s)")
    parser.add_argument("--stages", type=int, default=5, help="shrinking stages (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="write the JSON there, and the charts beside it")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    try:
        device = resolve_device(arguments.device)
        for path in (arguments.source, arguments.reference):
            if not path.is_dir():
                raise UserError(f"{path} is no folder; expected CamVid and a clone of Sunshine-Ye/IJCV22-SSR")
        with tempfile.TemporaryDirectory() as name:
            found = measure(arguments, Path(name))
            command(Path(name), 1, "figures")
            record = {**found, "environment": environment(device), "provenance": provenance()}
            record["environment"]["threads"] = arguments.threads
            write_json(arguments.out, record)
            for chart in CHARTS:
                drawn = Path(name) / paths.FIGURES / f"{DATASET}-seed0-{chart}.svg"
                shutil.copy(drawn, arguments.out.with_name(f"{arguments.out.stem}-{chart}.svg"))
    except UserError as error:
        print(f"search_cost: {error}", file=sys.stderr)
        return 2
    print(json.dumps(record, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
