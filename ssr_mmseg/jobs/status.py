"""Status of an experiment: the state of every job that its configuration asks for, read from files only."""

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
from ssr_mmseg.jobs.job import Job, ablation_jobs, contest_jobs, jobs
from ssr_mmseg.jobs.progress import duration
from ssr_mmseg.jobs.result_warnings import result_warnings
from ssr_mmseg.settings.scenario import CELLS
from ssr_mmseg.utils.errors import one_line

MARKS = {  # by state: a mark, and its color on a terminal
    "done": ("✓", "green"),
    "running": ("▶", "cyan"),
    "failed": ("✗", "bold red"),
    "interrupted": ("■", "yellow"),
    "waiting": ("·", "dim"),
}
LOG_TAIL = 2**18  # bytes read from the end of a log, which may be huge
PER_NETWORK = ("retrain", "evaluate", "profile")
SIMILAR = {"shrink": "search", "search": "shrink"}  # stages of about the same duration


@dataclass(frozen=True)
class JobStatus:
    """Status of one job.

    Attributes:
        state: A key of `MARKS`.
        message: A short message, empty if there is nothing to report.
        taken: Seconds that the job took, if it is done.
        left: Estimated seconds remaining, if it is a training that runs.
    """

    job: Job
    state: str
    message: str = ""
    taken: float | None = None
    left: float | None = None


def job_status(job: Job, now: float) -> JobStatus:
    """Return the status of a job at `now`, in seconds since the epoch."""
    record, state, message = recorded_state(job, now)
    if state == "running":
        return JobStatus(job, state, message, left=record.get("seconds_left"))
    if not job.result.exists():
        return JobStatus(job, "waiting" if state == "done" else state, message)
    timed = state == "done" and "ended" in record  # otherwise not made by the recorded job, or before it failed
    return JobStatus(job, "done", taken=record["ended"] - record["started"] if timed else None)


def recorded_state(job: Job, now: float) -> tuple[dict[str, Any], str, str]:
    """Return a job's progress record, its state, and a message, without checking its output file."""
    record = progress.read(progress.progress_path(job.name))
    try:
        state = progress.state_of(record, now)
        if state == "done":
            return record, state, ""
        return record, state, _position(record, now) if state == "running" else _end(job, record, state)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        pass  # no record, because the job failed before writing one, or a record of an older version
    message = log_message(job)
    return ({}, "failed", message) if message else ({}, "waiting", "")


def _position(record: dict[str, Any], now: float) -> str:
    """Describe how far a running job is."""
    if "iteration" not in record:
        return f"for {duration(now - record['started'])}"
    parts = [f"{record['iteration'] / record['iterations']:.0%}"]
    if "epoch" in record:  # an iteration-based training has none
        parts.append(f"epoch {record['epoch']} of {record['epochs']}")
    losses = [value for name, value in record["terms"].items() if name in ("loss", "loss_weights")]
    parts += [f"loss {value:.3g}" for value in losses[:1]]
    if record.get("miou_val") is not None:
        parts.append(f"mIoU {record['miou_val']:.1f} %")
    if record.get("options_alive") is not None:
        parts += [f"{record['options_alive']} options alive", f"expected cost {record['cost_ratio']:.2f}"]
    return ", ".join([*parts, f"{duration(record['seconds_left'])} left"])


def _end(job: Job, record: dict[str, Any], state: str) -> str:
    """Describe how a job ended without making its result."""
    if state == "interrupted":
        at = f" at {record['iteration'] / record['iterations']:.0%}" if "iteration" in record else ""
        return f"stopped{at}; run it again to resume"
    if "message" in record:
        return str(record["message"])
    message = log_message(job)
    ending = f"; its log ends with: {message}" if message else ""
    return f"process {record['pid']} on {record['host']} disappeared{ending}"


def log_message(job: Job) -> str:
    """Return the last error message in a job's log, or else its last line; empty without a log."""
    try:
        with open(job.log, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_TAIL))
            lines = [line.strip() for line in log.read().decode("utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    messages = [line for line in lines if line.startswith("ssr-mmseg:")] or [line for line in lines if line] or [""]
    return one_line(messages[-1], 300)


def work_left(statuses: Sequence[JobStatus]) -> tuple[float, int]:
    """Return the seconds that the unfinished jobs take one after another, and the number of jobs without an estimate.

    The estimate of a waiting job is the median duration of the finished jobs of its stage.
    """
    durations: dict[str, list[float]] = {}
    for status in statuses:
        if status.taken is not None:
            durations.setdefault(status.job.stage, []).append(status.taken)
    seconds, unknown = 0.0, 0
    for status in statuses:
        if status.state == "done":
            continue
        similar = durations.get(status.job.stage) or durations.get(SIMILAR.get(status.job.stage, ""))
        if status.left is not None:
            seconds += status.left
        elif similar:
            seconds += statistics.median(similar)
        else:
            unknown += 1
    return seconds, unknown


def summary(statuses: Sequence[JobStatus]) -> str:
    """Summarize the number of jobs in each state, and the work left."""
    counts = {state: sum(status.state == state for status in statuses) for state in MARKS}
    parts = [f"{counts['done']} of {len(statuses)} done"]
    parts += [f"{count} {state}" for state, count in counts.items() if count and state != "done"]
    seconds, unknown = work_left(statuses)
    if seconds:
        parts.append(f"{'more than' if unknown else 'about'} {duration(seconds)} of work left")
    return ", ".join(parts)


def overview(config: dict, now: float) -> RenderableType:
    """Show the whole experiment: a mark per job, messages of running and failed jobs, and a summary."""
    statuses = [job_status(job, now) for job in jobs(config)]
    parts: list[RenderableType] = []
    for key, group in itertools.groupby(statuses, key=lambda status: (status.job.dataset, status.job.seed)):
        parts += _group(*key, list(group))
    parts.append(Text(summary(statuses)))
    parts += [Text("! ", style="yellow").append(line, style="not yellow") for line in result_warnings(config)]
    contest = [job_status(job, now) for job in contest_jobs(config)]
    if any(status.state != "waiting" for status in contest):
        title = Text("contest", style="bold")
        parts += [Text(), title, *_messages(contest), Text(summary(contest))]
    ablation = [job_status(job, now) for job in ablation_jobs(config)]
    if any(status.state != "waiting" for status in ablation):
        title = Text("ablation", style="bold")
        parts += [Text(), title, _cells(ablation), *_messages(ablation), Text(summary(ablation))]
    return Group(*parts)


def _group(dataset: str, seed: int | None, statuses: list[JobStatus]) -> Iterator[RenderableType]:
    """Show the jobs of a dataset and seed: one line of the jobs shared by all networks, and a table of the networks."""
    name = f"{dataset}, seed {seed}" if seed is not None else dataset or "joined"
    line = Text(name, style="bold")
    for status in statuses:
        if status.job.stage not in PER_NETWORK:
            line.append("   ").append_text(_mark(status)).append(f" {status.job.title}", style="not bold")
    yield line
    networks = list(dict.fromkeys(status.job.network for status in statuses if status.job.stage in PER_NETWORK))
    if networks:
        table = Table(box=None, padding=(0, 3, 0, 0))
        for title in ("  ", *PER_NETWORK):
            table.add_column(title, header_style="dim", justify="left" if title == "  " else "center")
        for network in networks:
            marks = {status.job.stage: _mark(status) for status in statuses if status.job.network == network}
            table.add_row(f"  {network}", *(marks.get(stage, Text()) for stage in PER_NETWORK))
        yield table
    yield from _messages(statuses)


def _cells(statuses: list[JobStatus]) -> Table:
    """Show the ablation: a row per cell, a column per seed, and a mark for the least finished of its jobs."""
    searches = [status for status in statuses if status.job.dataset]
    seeds = list(dict.fromkeys(status.job.seed for status in searches))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("  ")
    for seed in seeds:
        table.add_column(f"seed {seed}", header_style="dim", justify="center")
    order = ("failed", "interrupted", "running", "waiting", "done")
    for cell, group in itertools.groupby(searches, key=lambda status: status.job.dataset):
        row = sorted(group, key=lambda status: order.index(status.state))
        worst = [next(status for status in row if status.job.seed == seed) for seed in seeds]
        table.add_row(f"  {cell.removeprefix(CELLS)}", *map(_mark, worst))
    return table


def _messages(statuses: list[JobStatus]) -> Iterator[Text]:
    """Show a line for every job with a message."""
    for status in statuses:
        if status.message:
            job = status.job
            cell = f" of {job.dataset.removeprefix(CELLS)}, seed {job.seed}" if job.dataset.startswith(CELLS) else ""
            text = f" {job.title}{cell}: {status.state}, {status.message}"
            yield Text("  ").append_text(_mark(status)).append(text)


def _mark(status: JobStatus) -> Text:
    mark, color = MARKS[status.state]
    return Text(mark, style=color)


def as_text(shown: RenderableType) -> str:
    """Render an overview as plain text, for an output that is not a terminal."""
    console = Console(width=200, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(shown, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def show(config: dict, watch: bool, interval: float = 2.0) -> None:
    """Print the overview; with `watch` refresh it until all jobs are done or the user interrupts."""
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
    """Yield the overview, once or every `interval` seconds until all jobs are done."""
    while True:
        yield overview(config, time.time())
        if interval is None or all(job.result.exists() for job in jobs(config)):
            return
        time.sleep(interval)
