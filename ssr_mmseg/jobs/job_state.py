"""States of jobs, read from files only: their results, their progress and their logs."""

import csv
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.jobs import progress
from ssr_mmseg.jobs.changes import changes, text
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.progress import duration
from ssr_mmseg.settings.scenario import table_networks
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils.errors import one_line

STATES = ("done", "outdated", "running", "failed", "interrupted", "waiting")
LOG_TAIL = 2**18  # bytes read from the end of a log, which may be huge
SIMILAR = {"shrink": "search", "search": "shrink"}  # stages of about the same duration


@dataclass(frozen=True)
class JobStatus:
    """Status of one job.

    Attributes:
        state: One of `STATES`.
        message: A short message, empty if there is nothing to report.
        taken: Seconds that the job took, if it is done.
        left: Estimated seconds remaining, if it is a training that runs.
    """

    job: Job
    state: str
    message: str = ""
    taken: float | None = None
    left: float | None = None


def job_statuses(config: dict, jobs: Sequence[Job], now: float) -> list[JobStatus]:
    """Return the statuses of jobs at `now`, in seconds since the epoch.

    A result of another configuration is outdated, and so is a joined one if those that it joins are not all done.
    """
    found = {job: job_status(config, job, now) for job in jobs if STAGES[job.stage].record}
    complete = all(status.state == "done" for status in found.values())
    newest = max((modified(job.result) for job in found), default=0.0)
    for job in jobs:
        if job in found:
            continue
        status = found[job] = job_status(config, job, now)
        if status.state == "done" and (not complete or modified(job.result) < newest or other_rows(config, job)):
            found[job] = JobStatus(job, "outdated")
    return [found[job] for job in jobs]


def modified(path: Path) -> float:
    """Return when a file was modified, in seconds since the epoch; 0 if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def other_rows(config: dict, job: Job) -> bool:
    """Return whether the table has the rows of other networks than the configuration asks for."""
    if job.stage != "table":
        return False
    expected = {
        (dataset, network.label, str(seed))
        for dataset in settings.dataset_names(config)
        for network in table_networks(config, dataset)
        for seed in config["seeds"]
    }
    try:
        with open(job.result, newline="", encoding="utf-8") as file:
            return {(row["dataset"], row["network"], row["seed"]) for row in csv.DictReader(file)} != expected
    except (OSError, KeyError, ValueError, csv.Error):
        return True


def job_status(config: dict, job: Job, now: float) -> JobStatus:
    """Return the status of one job at `now`, without regard to the results that it joins."""
    record, state, message = recorded_state(job, now)
    if state == "running":
        return JobStatus(job, state, message, left=record.get("seconds_left"))
    if not job.result.exists():
        return JobStatus(job, "waiting" if state == "done" else state, message)
    if found := changes(config, job):
        return JobStatus(job, "outdated", f"made with another configuration: {text(found)}")
    timed = state == "done" and "ended" in record  # otherwise not made by the recorded job, or before it failed
    return JobStatus(job, "done", taken=record["ended"] - record["started"] if timed else None)


def recorded_state(job: Job, now: float) -> tuple[dict[str, Any], str, str]:
    """Return a job's progress record, its state, and a message, without checking its output file."""
    record = progress.read(job.progress)
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
    counts = {state: sum(status.state == state for status in statuses) for state in STATES}
    parts = [f"{counts['done']} of {len(statuses)} done"]
    parts += [f"{count} {state}" for state, count in counts.items() if count and state != "done"]
    seconds, unknown = work_left(statuses)
    if seconds:
        parts.append(f"{'more than' if unknown else 'about'} {duration(seconds)} of work left")
    return ", ".join(parts)
