"""Where an experiment stands: every result that the configuration asks for, done or not, read from files alone."""

import glob
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ssr_mmseg import layout, settings
from ssr_mmseg.errors import UserError
from ssr_mmseg.files import read_json

STALE = 60.0  # seconds without news after which a training no longer counts as running
MARKS = {"done": "✓", "running": "▶", "stopped": "■", "begun": "…", "waiting": " "}


@dataclass(frozen=True)
class Job:
    """One job of the workflow: what it is called, what it writes last, and where its log and its progress are."""

    name: str
    result: Path
    stage: str = ""
    log: str = ""
    work: str = ""


def jobs(config: dict) -> Iterator[Job]:
    """All jobs of a completed configuration, in the order in which they can run."""
    for dataset in settings.dataset_names(config):
        yield Job(f"{dataset}: prepare", Path(layout.MANIFEST.format(dataset=dataset)), "prepare", dataset)
        for seed in config["seeds"]:
            yield from _search_jobs(config, dataset, seed)
            for network in config["networks"]:
                names = {"dataset": dataset, "seed": seed, "network": network}
                patterns = {
                    "retrain": layout.TRAINING,
                    "evaluate": layout.EVALUATION,
                    "profile": layout.PROFILE,
                }
                for stage, pattern in patterns.items():
                    work = layout.WORK.format(**names, stage=f"{stage}-{network}", identity="*")
                    name = f"{dataset}, seed {seed}: {stage} {network}"
                    yield Job(name, Path(pattern.format(**names)), stage, f"{dataset}-seed{seed}-{network}", work)
    for stage, path in (("table", layout.TABLE), ("summary", layout.SUMMARY), ("report", layout.REPORT)):
        yield Job(stage, Path(path))


def _search_jobs(config: dict, dataset: str, seed: int) -> Iterator[Job]:
    if not {"searched", "random"} & set(config["networks"]):
        return
    prefix, job = f"{dataset}, seed {seed}", f"{dataset}-seed{seed}"
    for stage in range(settings.for_dataset(config, dataset)["search"]["shrink_stages"] + 1):
        name, part = ("shrink", f"-{stage}") if stage else ("search", "")
        folder = f"shrink{stage}" if stage else "search"
        work = layout.WORK.format(dataset=dataset, seed=seed, stage=folder, identity="*")
        title = f"{prefix}: {name}{f' {stage}' if stage else ''}"
        yield Job(title, layout.stage_metrics_path(dataset, seed, stage), name, job + part, work)
    patterns = {"discretize": layout.GENOTYPE}
    if "random" in config["networks"]:
        patterns["sample"] = layout.RANDOM_GENOTYPE
    for name, pattern in patterns.items():
        yield Job(f"{prefix}: {name}", Path(pattern.format(dataset=dataset, seed=seed)), name, job)


def state(job: Job, now: float) -> tuple[str, str]:
    """A job's state (a key of `MARKS`) and what there is to say about it, at `now` in seconds since the epoch."""
    if job.result.is_file():
        return "done", ""
    for path in sorted(glob.glob(f"{job.work}/progress.json")) if job.work else []:
        try:
            value = read_json(Path(path))
            share, left = value["iteration"] / value["iterations"], value["seconds_left"]
            fresh = now - value["updated"] < STALE
            told = f"{share:.0%}, epoch {value['epoch']} of {value['epochs']}"
            return ("running", f"{told}, {duration(left)} left") if fresh else ("stopped", f"at {told}")
        except (UserError, KeyError, TypeError, ValueError, ZeroDivisionError):
            continue  # written by an older version, or in another form: the log says more
    words = last_words(job.stage, job.log) if job.log else None
    return ("waiting", "") if words is None else ("begun", words or "running, or failed without a word")


def last_words(stage: str, job: str) -> str | None:
    """The line of a job's log that tells most about its end: its last error, else its last line; None without a log."""
    log = Path(layout.LOG.format(stage=stage, job=job))
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return None
    told = [line for line in lines if line.startswith("ssr-mmseg:")] or [line for line in lines if line] or [""]
    return told[-1][:300]


def duration(seconds: float) -> str:
    """A duration to the precision that a forecast has."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def overview(config: dict, now: float) -> str:
    """The whole experiment, one line per job, and how many are done."""
    found = [(job, *state(job, now)) for job in jobs(config)]
    width = max(len(job.name) for job, _, _ in found)
    lines = [
        f"{MARKS[kind]} {job.name:{width}}  {kind}{f': {words}' if words else ''}".rstrip()
        for job, kind, words in found
    ]
    done = sum(kind == "done" for _, kind, _ in found)
    return "\n".join([*lines, f"{done} of {len(found)} done"])


def show(config: dict, watch: bool, interval: float = 2.0) -> None:
    """Print the overview; with `watch` again and again, until all is done or the user interrupts."""
    while True:
        text = overview(config, time.time())
        clear = "\033[2J\033[H" if watch and sys.stdout.isatty() else ""
        print(clear + text, flush=True)
        if not watch or all(job.result.is_file() for job in jobs(config)):
            return
        try:
            time.sleep(interval)
        except KeyboardInterrupt:
            return
