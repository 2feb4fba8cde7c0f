"""The command `fit`: plan an experiment for a folder of images and a frame time, write it, and run it."""

import contextlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.costs.latency_table.measure import list_parts
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.datasets.importing.inspection import inspect_plan
from ssr_mmseg.datasets.importing.plan import plan_import
from ssr_mmseg.datasets.importing.request import ImportRequest
from ssr_mmseg.fit import config_file
from ssr_mmseg.fit.label_times import label_milliseconds
from ssr_mmseg.fit.lengths import Work
from ssr_mmseg.fit.measurements import Device, network_times, startup_seconds, step_times
from ssr_mmseg.fit.plan import BASELINES, Latencies, Limits, Plan, Probe, make_plan
from ssr_mmseg.fit.request import FitRequest
from ssr_mmseg.fit.spaces import LEAST_SIDE, Space, input_sizes, read_spaces
from ssr_mmseg.profiling.backends.base import create_backend
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.own_data import dataset_entry, options_named, source_folder
from ssr_mmseg.stages.prepare import prepare
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_text

COST = {"type": "macs", "target": 0.6, "hold": None}  # while steps are timed: one that every space accepts
SHARES = {"val": 0.15, "test": 0.15}
MEMORY = 0.8  # share of the free memory that a search may take


def fit(request: FitRequest, yes: bool, dry_run: bool) -> int:
    """Plan, ask, run, and say what is recommended.

    Args:
        request: What is asked for.
        yes: Run without asking.
        dry_run: Write the configuration, and do not run it.

    Returns:
        Exit status: 0 with a recommended network (or a written configuration), 1 without one, or that of Snakemake.

    Raises:
        UserError: The data cannot be used, no network is fast enough, the time does not suffice, or another
            configuration has the name.
    """
    path = Path(config_file.config_path(request))
    if _written_before(path, request.command):
        print(f"{path} was written by this command before; going on with it", file=sys.stderr)
    else:
        _check(request)
        config, plan, facts = plan_experiment(request)
        settings.complete(config, "the plan")
        print(summary(request, plan, facts))
        write_text(path, config_file.as_yaml(request, config, plan, facts))
        print(f"written: {path}")
    if dry_run:
        print(f"run it with: {config_file.run_command(request)}")
        return 0
    if not yes and not _agreed():
        print(f"not run; later: {config_file.run_command(request)}")
        return 0
    status = run(request)
    return status or conclude(request)


def plan_experiment(request: FitRequest) -> tuple[dict[str, Any], Plan, dict[str, str]]:
    """Inspect the data, measure the device, and return the experiment, its plan and facts for the comments."""
    started = startup_seconds()
    if resolve_device(request.device).type == "cpu":
        torch.set_num_threads(request.cores)
    print(f"looking at {request.source}", file=sys.stderr)
    with options_named():
        found = plan_import(source_folder(request.source), ImportRequest.from_settings(request.entry), False)
        result = inspect_plan(found, request.name)
    for warning in result["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    entry = dataset_entry(request.source, request.entry, found, result["suggested"])[request.name]
    images = image_counts(result["splits"])
    facts = {"data": describe(result, images)}
    most = largest_group(result["splits"])
    sizes = [request.size] if request.size else input_sizes(most)
    spaces = read_spaces()
    batch = result["suggested"]["retrain"]["batch_size"]
    device = Device(resolve_device(request.device), request.backend, request.precision)
    facts["device"] = f"{environment(device.device)['device']}, {request.cores} CPU cores"
    print(f"measuring networks and training steps on {facts['device']}", file=sys.stderr)
    with measuring(request, entry, sizes[-1], batch) as measured:
        classes = len(result["classes"])
        part_seconds: list[float] = []  # of exporting and timing a network, as parts of a latency table are

        def latencies(space: Space, size: tuple[int, int]) -> Latencies:
            began = time.perf_counter()
            smallest, largest = network_times(space.extremes(), classes, size, device, measured["retrain"])
            part_seconds.append((time.perf_counter() - began) / 2)
            labels = label_milliseconds(classes, size, request.backend, device.device, request.cores)
            return Latencies(smallest, largest, labels)

        probe = Probe(
            latencies=latencies,
            steps=lambda space, size: _steps(measured, request, space, size),
            table=lambda space: max(part_seconds) * len(list_parts(space.search_space, LatencyTable({}, 2, 8))),
        )
        base = Work(
            steps=None,  # type: ignore[arg-type]  # measured by the plan
            share=0.0,
            networks=("random", *BASELINES),
            images=images,
            batch=batch,
            table=0.0,
            startup=started,
            cores=1 if device.device.type == "cuda" else request.cores,
        )
        plan = make_plan(Limits(request.ms, request.hours * 3600), sizes, spaces, probe, base)
    _check_memory(plan, device.device, images[0])
    cuda = device.device.type == "cuda"
    return config_file.experiment(request, entry, plan, classes, cuda), plan, facts


@contextlib.contextmanager
def measuring(request: FitRequest, entry: Mapping[str, Any], size: tuple[int, int], batch: int) -> Iterator[dict]:
    """Prepare the data in a temporary folder, which is the working folder meanwhile, and give a configuration."""
    absolute = {**entry, "size": list(size), "source": str(request.source.resolve())}
    for key in ("label_map",):
        if isinstance(entry.get(key), str):
            absolute[key] = str(Path(entry[key]).expanduser().resolve())
    search, retrain = config_file.recipes(False, 0, 0)
    draft = {
        "device": request.device,
        "datasets": {request.name: absolute},
        "networks": ["searched"],
        "search": {"config": search, "batch_size": batch, "min_steps": 1, "cost": COST},
        "retrain": {"config": retrain, "batch_size": batch},
        "threads": config_file.threads(request.cores, 3),
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        config = settings.complete(draft, "the plan")
        prepare(config, request.name)
        yield draft


def _steps(draft: dict, request: FitRequest, space: Space, size: tuple[int, int]) -> Any:
    changes = {
        "datasets": {request.name: {**draft["datasets"][request.name], "size": list(size)}},
        "search": {"space": space.value},
    }
    config = settings.complete(settings.merge(draft, changes), "the plan")
    return step_times(config, request.name, space.extremes(), BASELINES)


def image_counts(splits: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the images of train, val and test, of which the latter two may have to be drawn from the others."""
    if "all" in splits:
        total = splits["all"]["images"]
        val, test = (max(1, round(total * share)) for share in SHARES.values())
        return total - val - test, val, test
    train, val, test = (splits.get(split, {}).get("images", 0) for split in ("train", "val", "test"))
    return train, val, test


def largest_group(splits: Mapping[str, Any]) -> tuple[int, int]:
    """Return height and width of most images."""
    counts: dict[tuple[int, int], int] = {}
    for split in splits.values():
        for entry in split["sizes"]:
            size = (entry["size"][0], entry["size"][1])
            counts[size] = counts.get(size, 0) + entry["images"]
    return max(counts, key=lambda size: counts[size])


def describe(result: Mapping[str, Any], images: tuple[int, int, int]) -> str:
    """Return a sentence about the data."""
    height, width = largest_group(result["splits"])
    train, val, test = images
    drawn = " (drawn from them)" if "all" in result["splits"] else ""
    return (
        f"{len(result['classes'])} classes; {train} images for train, {val} for val, {test} for test{drawn}; most of "
        f"{height}x{width} pixels"
    )


def summary(request: FitRequest, plan: Plan, facts: Mapping[str, str]) -> str:
    """Return the plan for people."""
    lengths = plan.lengths
    lines = [
        f"data      {facts['data']}",
        f"device    {facts['device']}; {request.backend} {request.precision}",
        f"input     {plan.size[0]}x{plan.size[1]}",
        f"space     {plan.space.name}: {plan.latencies.smallest:.3g} to {plan.latencies.largest:.3g} ms",
        f"aim       {plan.aim:.3g} ms, and {plan.latencies.labels:.2g} ms for labels, of {request.ms:g} ms",
        f"networks  {', '.join(lengths.networks)}"
        + "".join(f", {config_file.rival_name(path.stem)}" for path in request.rivals),
        f"lengths   search {lengths.search_steps} steps, each training {lengths.train_steps} steps, "
        f"{lengths.seeds} {'seed' if lengths.seeds == 1 else 'seeds'}",
        f"memory    {plan.work.steps.peak_gb:.1f} GB for the search",
        f"time      {config_file.hours(lengths.seconds)} of {config_file.hours(request.hours * 3600)}",
        *(f"note      {note}" for note in plan.notes),
    ]
    return "\n".join(lines)


def run(request: FitRequest) -> int:
    """Run the written configuration by Snakemake, and return its exit status."""
    command = [sys.executable, "-m", "snakemake", *config_file.run_command(request).split()[1:]]
    if not Path("Snakefile").is_file():
        profile = paths.PROJECT / "profiles/default"
        command += ["--snakefile", str(paths.WORKFLOW), "--workflow-profile", str(profile)]
    return subprocess.run(command).returncode


def conclude(request: FitRequest) -> int:
    """Say what is recommended, and return the exit status."""
    folder = Path(f"results/{request.name}/recommended")
    value = read_json(folder / "recommendation.json")
    for one in value["networks"]:
        miou, latency = one["miou"]["val"], one["latency_ms"]
        time = f"{latency['p50']:.2f} ms" if latency["settled"] else "-"
        accuracy = f"val {miou['value']:.1f} ({miou['low']:.1f} to {miou['high']:.1f}) %"
        print(f"{one['network']:<16} {accuracy:<28} {time:>10}  {one['verdict']}")
    if value["recommended"] is None:
        print(f"no network is recommended; {folder}/card.md says why", file=sys.stderr)
        return 1
    print(f"recommended: {value['recommended']}; in {folder}/: {', '.join(value['files'])}, card.md")
    print(f"try it: ssr-mmseg predict {folder}/model.onnx {request.source} --out overlays")
    return 0


def _written_before(path: Path, command: str) -> bool:
    """Return whether the same command has written the configuration.

    Raises:
        UserError: Something else has.
    """
    try:
        first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return False
    if first == f"# Written by: {command}":
        return True
    raise UserError(f"{path} exists already, and was not written by this command; give another --name, or delete it")


def _check(request: FitRequest) -> None:
    """Refuse what needs no measurement to be refused.

    Raises:
        UserError: The size is none that networks accept, a rival's file is missing, or the backend is not available.
    """
    if request.size:
        check_input_size(request.size, least=LEAST_SIDE)
    for path in request.rivals:
        if not path.is_file():
            raise UserError(f"--rival: file {path} not found; check its name")
    device = resolve_device(request.device)
    create_backend(request.backend, torch.nn.Identity(), device, request.precision)


def _agreed() -> bool:
    """Ask whether to run.

    Raises:
        UserError: Nobody can answer.
    """
    if not sys.stdin.isatty():
        raise UserError("expected an answer whether to run, found no terminal; add --yes, or --dry-run to only plan")
    return input("run it? [y/N] ").strip().lower() in ("y", "yes")


def _check_memory(plan: Plan, device: torch.device, images: int) -> None:
    """Raise `UserError` if the search, whose training images are in memory, needs more than there is."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    needed = plan.work.steps.peak_gb + images * 4 * math.prod(plan.size) / 1e9
    if needed > MEMORY * free / 1e9:
        raise UserError(
            f"the search needs about {needed:.1f} GB of memory, expected at most "
            f"{MEMORY * free / 1e9:.1f}; give a smaller --size, or free memory"
        )
