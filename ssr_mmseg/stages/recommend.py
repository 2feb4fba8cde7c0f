"""Stage `recommend`: choose the network to ship, and write it with its card to `results/recommended/`."""

import os
import shutil
from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.jobs.provenance import commit, provenance
from ssr_mmseg.profiling.file_timing import FileRunner, ImageFile, time_files
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.profiling.timing import Timing
from ssr_mmseg.recommendation.card import CardData, card
from ssr_mmseg.recommendation.intervals import miou_interval
from ssr_mmseg.recommendation.rule import Candidate, Verdict, rank
from ssr_mmseg.recommendation.runs import Run, read_run
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.models.networks import Preprocess, Rival
from ssr_mmseg.settings.rivals import rival_entry, rival_file
from ssr_mmseg.settings.scenario import table_networks
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path, write_json, write_text

Key = tuple[str, int]  # label and seed


def recommend(config: dict) -> None:
    """Time the exported files of all networks, apply the rule, and write files, `recommendation.json` and `card.md`.

    The first dataset of the configuration counts. Without a network within the time, the card says why and no network
    is written.

    Raises:
        UserError: A result is missing, networks were trained on val, or the backend cannot run here.
    """
    dataset = settings.dataset_names(config)[0]
    options = settings.for_dataset(config, dataset)
    if "val" in options["dataset"]["train_split"].split("+"):
        raise UserError(
            f"dataset {dataset}: networks are trained on {options['dataset']['train_split']}, expected train alone, "
            "because the recommendation compares them on val; set train_split to train"
        )
    manifest = read_manifest(settings.manifest_path(config, dataset))
    runs, absent = collect(config, dataset, manifest["classes"])
    timings = time_runs(options, runs)
    candidates = [
        Candidate(run.label, run.seed, run.counts["val"], timings[key].p50, timings[key].settled)
        for key, run in runs.items()
    ]
    wanted = options["recommend"]
    ranked = rank(candidates, wanted["latency_ms"])
    folder = paths.result_path(config, paths.CARD).parent
    chosen = ranked[0].candidate if ranked and ranked[0].verdict is Verdict.RECOMMENDED else None
    shipped = ship(config, runs[chosen.label, chosen.seed], folder) if chosen else _clear(folder)
    machine = environment(resolve_device(options["device"]))
    data = CardData(
        name=config["name"] or dataset,
        dataset=dataset,
        manifest=manifest,
        size=tuple(options["dataset"]["size"]),
        overlap=manifest["tiles"]["overlap"] if manifest.get("tiles") else None,
        limit=wanted["latency_ms"],
        backend=wanted["backend"],
        device=machine["device"],
        threads=threads(),
        license=wanted["license"],
        ranked=ranked,
        runs=runs,
        timings=timings,
        absent=absent,
        commit=commit(),
        files=shipped,
    )
    write_json(paths.result_path(config, paths.RECOMMENDATION), record(data, machine))
    write_text(paths.result_path(config, paths.CARD), card(data))


def collect(config: dict, dataset: str, classes: list[str]) -> tuple[dict[Key, Run], dict[str, str]]:
    """Return the results of all networks by label and seed, and the reasons why others have no file, by name."""
    runs: dict[Key, Run] = {}
    absent: dict[str, str] = {}
    for network in table_networks(config, dataset):
        entry = rival_entry(config, network.name)
        for seed in config["seeds"] if entry is None else config["seeds"][:1]:
            run = read_run(config, network, seed, classes, rival_file(entry) if entry else None)
            if isinstance(run, Run):
                runs[network.label, seed] = run
            else:
                absent[network.label] = run
    return runs, absent


def threads() -> int:
    """Return the CPU threads of the timing: those of the job, or all cores."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return int(allowed) if allowed.isdecimal() and int(allowed) else len(os.sched_getaffinity(0))


def time_runs(options: dict, runs: dict[Key, Run]) -> dict[Key, Timing]:
    """Time the exported file of each network; see `time_files`."""
    profile, cuda = options["profile"], resolve_device(options["device"]).type == "cuda"
    runner = FileRunner(options["recommend"]["backend"], cuda, threads())
    files = [_image_file(options, run) for run in runs.values()]
    timings = time_files(files, runner, profile["runs"], profile["seconds"])
    return dict(zip(runs, timings, strict=True))


def _image_file(options: dict, run: Run) -> ImageFile:
    """Return how a network's file is fed, at the size at which its accuracy was measured."""
    height, width = run.record["size"]
    entry = rival_entry(options, run.names["network"])
    if entry is None:
        return ImageFile(run.file, (height, width), Preprocess())
    rival = Rival.model_validate(entry)
    return ImageFile(run.file, (height, width), rival.preprocess, rival.output.name)


def ship(config: dict, run: Run, folder: Path) -> list[str]:
    """Copy a network's files to the folder, and return their names."""
    _clear(folder)
    sources = {"model.onnx": run.file}
    names = run.names
    if rival_entry(config, names["network"]) is None:
        sources |= {
            "config.py": paths.result_path(config, paths.NETWORK_CONFIG, **names),
            "weights.pth": paths.result_path(config, paths.WEIGHTS, **names),
        }
        genotype = genotype_for(config, names["network"], names["dataset"], names["seed"])
        if genotype is not None:
            genotype.write(folder / "genotype.json")
            sources["genotype.json"] = folder / "genotype.json"
    for name, source in sources.items():
        if source != folder / name:
            with atomic_path(folder / name) as temporary:
                shutil.copyfile(source, temporary)
    return list(sources)


def _clear(folder: Path) -> list[str]:
    """Remove the files of an earlier recommendation."""
    for name in ("model.onnx", "config.py", "weights.pth", "genotype.json"):
        (folder / name).unlink(missing_ok=True)
    return []


def record(data: CardData, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the recommendation as JSON values."""
    networks = []
    for one in data.ranked:
        key = (one.candidate.label, one.candidate.seed)
        run, timing = data.runs[key], data.timings[key]
        networks.append(
            {
                "network": run.label,
                "seed": run.seed,
                "verdict": str(one.verdict),
                "miou": {split: vars(miou_interval(counts)) for split, counts in run.counts.items()},
                "behind": None if one.behind is None else vars(one.behind),
                "latency_ms": {"p50": timing.p50, "p95": timing.p95, "runs": timing.runs, "settled": timing.settled},
                "params": run.params,
                "macs": run.macs,
                "file": {key: run.record[key] for key in ("bytes", "sha256")},
            }
        )
    return {
        "recommended": None if data.chosen is None else data.chosen.candidate.label,
        "seed": None if data.chosen is None else data.chosen.candidate.seed,
        "latency_ms": data.limit,
        "backend": data.backend,
        "threads": data.threads,
        "device": machine["device"],
        "size": list(data.size),
        "networks": networks,
        "absent": dict(data.absent),
        "files": list(data.files),
        "provenance": provenance(),
    }
