"""Where an experiment stands: every job that the configuration asks for, read from files alone."""

import contextlib
import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ssr_mmseg.jobs import progress
from ssr_mmseg.jobs.job import Job, ablation_jobs, jobs
from ssr_mmseg.jobs.progress import duration
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import one_line

MARKS = {  # by state: a mark, and its colour on a terminal
    "done": ("✓", "green"),
    "running": ("▶", "cyan"),
    "failed": ("✗", "bold red"),
    "interrupted": ("■", "yellow"),
    "waiting": ("·", "dim"),
}
LOG_END = 2**18  # bytes of a log that are looked at: a runaway one can fill a disk
PER_NETWORK = ("retrain", "evaluate", "profile")
LIKE = {"shrink": "search", "search": "shrink"}  # of about the same length


@dataclass(frozen=True)
class Standing:
    """Where a job stands: its state, a key of `MARKS`, what there is to say about it, and the seconds it takes yet."""

    job: Job
    state: str
    words: str = ""
    took: float | None = None  # seconds, of a job that is done
    left: float | None = None  # seconds, of a training that runs


def standing(job: Job, now: float) -> Standing:
    """Where a job stands at `now`, in seconds since the epoch."""
    told, state, words = fate(job.name, now)
    if state == "running":
        return Standing(job, state, words, left=told.get("seconds_left"))
    if not job.result.is_file():
        return Standing(job, "waiting" if state == "done" else state, words)
    known = state == "done" and "ended" in told  # otherwise made by other means, or before a later failure
    return Standing(job, "done", took=told["ended"] - told["started"] if known else None)


def fate(name: str, now: float) -> tuple[dict[str, Any], str, str]:
    """What a job has told, the state that it is in by that, and words about it; its result is not looked at."""
    told = progress.read(progress.progress_path(name))
    try:
        state = progress.state_of(told, now)
        if state == "done":
            return told, state, ""
        return told, state, _position(told, now) if state == "running" else _end(name, told, state)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        pass  # nothing told, or in another form: an older version, or a failure before anything could be told
    words = last_words(name)
    return ({}, "failed", words) if words else ({}, "waiting", "")


def _position(told: dict[str, Any], now: float) -> str:
    """How far a running job is, in words."""
    if "iteration" not in told:
        return f"for {duration(now - told['started'])}"
    words = [f"{told['iteration'] / told['iterations']:.0%}", f"epoch {told['epoch']} of {told['epochs']}"]
    losses = [value for name, value in told["terms"].items() if name in ("loss", "loss_weights")]
    words += [f"loss {value:.3g}" for value in losses[:1]]
    if told.get("miou_val") is not None:
        words.append(f"mIoU {told['miou_val']:.1f} %")
    if told.get("options_alive") is not None:
        words += [f"{told['options_alive']} options alive", f"expected cost {told['cost_ratio']:.2f}"]
    return ", ".join([*words, f"{duration(told['seconds_left'])} left"])


def _end(name: str, told: dict[str, Any], state: str) -> str:
    """How a job ended that has not made its result."""
    if state == "interrupted":
        at = f" at {told['iteration'] / told['iterations']:.0%}" if "iteration" in told else ""
        return f"stopped{at}; run it again to go on"
    if "message" in told:
        return str(told["message"])
    words = last_words(name)
    return f"process {told['pid']} on {told['host']} vanished" + (f"; its log ends with: {words}" if words else "")


def last_words(name: str) -> str:
    """The line of a job's log that tells most about its end: its last error, else its last line; empty without any."""
    stage, _, job = name.partition("/")
    path = paths.LOG.format(stage=stage, job=job) if job else f"results/logs/{stage}.log"
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_END))
            lines = [line.strip() for line in log.read().decode("utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    told = [line for line in lines if line.startswith("ssr-mmseg:")] or [line for line in lines if line] or [""]
    return one_line(told[-1], 300)


def work_left(found: Sequence[Standing]) -> tuple[float, int]:
    """Seconds that the unfinished jobs take one after the other, and how many jobs could not be counted in.

    A job that waits is taken to last as long as the median of those of its stage that are done.
    """
    took: dict[str, list[float]] = {}
    for one in found:
        if one.took is not None:
            took.setdefault(one.job.stage, []).append(one.took)
    seconds, unknown = 0.0, 0
    for one in found:
        if one.state == "done":
            continue
        lengths = took.get(one.job.stage) or took.get(LIKE.get(one.job.stage, ""))
        if one.left is not None:
            seconds += one.left
        elif lengths:
            seconds += statistics.median(lengths)
        else:
            unknown += 1
    return seconds, unknown


def summary(found: Sequence[Standing]) -> str:
    """How many jobs are in which state, and the work that is left."""
    counts = {state: sum(one.state == state for one in found) for state in MARKS}
    told = [f"{counts['done']} of {len(found)} done"]
    told += [f"{count} {state}" for state, count in counts.items() if count and state != "done"]
    seconds, unknown = work_left(found)
    if seconds:
        told.append(f"{'more than' if unknown else 'about'} {duration(seconds)} of work left")
    return ", ".join(told)


def overview(config: dict, now: float) -> RenderableType:
    """The whole experiment: a mark per job, the words of those that run or have failed, and a summary."""
    found = [standing(job, now) for job in jobs(config)]
    parts: list[RenderableType] = []
    for key, group in itertools.groupby(found, key=lambda one: (one.job.dataset, one.job.seed)):
        parts += _group(*key, list(group))
    parts.append(Text(summary(found)))
    ablation = [standing(job, now) for job in ablation_jobs(config)]
    if any(one.state != "waiting" for one in ablation):
        parts += [Text(), Text("ablation", style="bold"), _cells(ablation), *_words(ablation), Text(summary(ablation))]
    return Group(*parts)


def _group(dataset: str, seed: int | None, found: list[Standing]) -> Iterator[RenderableType]:
    """The jobs of a dataset and seed: one line for what comes once, and a table of the networks."""
    name = f"{dataset}, seed {seed}" if seed is not None else dataset or "joined"
    line = Text(name, style="bold")
    for one in found:
        if one.job.stage not in PER_NETWORK:
            line.append("   ").append_text(_mark(one)).append(f" {one.job.title}", style="not bold")
    yield line
    networks = list(dict.fromkeys(one.job.detail for one in found if one.job.stage in PER_NETWORK))
    if networks:
        table = Table(box=None, padding=(0, 3, 0, 0))
        for title in ("  ", *PER_NETWORK):
            table.add_column(title, header_style="dim", justify="left" if title == "  " else "center")
        for network in networks:
            marks = {one.job.stage: _mark(one) for one in found if one.job.detail == network}
            table.add_row(f"  {network}", *(marks.get(stage, Text()) for stage in PER_NETWORK))
        yield table
    yield from _words(found)


def _cells(found: list[Standing]) -> Table:
    """The ablation: a row per cell, a column per seed, and a mark for the least finished of its jobs."""
    searches = [one for one in found if one.job.dataset]
    seeds = list(dict.fromkeys(one.job.seed for one in searches))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("  ")
    for seed in seeds:
        table.add_column(f"seed {seed}", header_style="dim", justify="center")
    order = ("failed", "interrupted", "running", "waiting", "done")
    for cell, group in itertools.groupby(searches, key=lambda one: one.job.dataset):
        rows = list(group)
        worst = [min((one for one in rows if one.job.seed == s), key=lambda one: order.index(one.state)) for s in seeds]
        table.add_row(f"  {cell.partition('/')[2]}", *map(_mark, worst))
    return table


def _words(found: list[Standing]) -> Iterator[Text]:
    """A line for every job that there is something to say about."""
    for one in found:
        if one.words:
            where = f" of {one.job.dataset.partition('/')[2]}, seed {one.job.seed}" if "/" in one.job.dataset else ""
            yield Text("  ").append_text(_mark(one)).append(f" {one.job.title}{where}: {one.state}, {one.words}")


def _mark(one: Standing) -> Text:
    mark, colour = MARKS[one.state]
    return Text(mark, style=colour)


def as_text(shown: RenderableType) -> str:
    """An overview as plain text, for where there is no terminal."""
    console = Console(width=200, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(shown, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def show(config: dict, watch: bool, interval: float = 2.0) -> None:
    """Print the overview; with `watch` refresh it until all is done or the user interrupts."""
    with contextlib.suppress(KeyboardInterrupt):
        if watch and sys.stdout.isatty():
            with Live(auto_refresh=False, vertical_overflow="visible") as live:
                for shown in _versions(config, interval):
                    live.update(shown, refresh=True)
        elif sys.stdout.isatty():
            Console(highlight=False).print(overview(config, time.time()))
        else:
            before = None
            for shown in _versions(config, interval if watch else None):
                text = as_text(shown)
                if text != before:
                    print(text, flush=True)
                before = text


def _versions(config: dict, interval: float | None) -> Iterator[RenderableType]:
    """The overview, and every `interval` seconds the next one until all is done; once without an interval."""
    while True:
        yield overview(config, time.time())
        if interval is None or all(job.result.is_file() for job in jobs(config)):
            return
        time.sleep(interval)
