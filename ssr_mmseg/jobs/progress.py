"""Progress of a job: its state, its process and, for training jobs, the current iteration, in `progress.json`.

The file is outside of the results, which Snakemake deletes when a job fails, so that `ssr-mmseg status` can still read
it.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from ssr_mmseg.jobs.preemption import RESUMABLE
from ssr_mmseg.settings import paths
from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

BEAT = 20.0  # seconds between heartbeats of a job that reports nothing else
SILENCE = 6 * BEAT  # seconds without a heartbeat after which a job on another machine counts as failed
STATES = ("running", "done", "failed", "interrupted")

_writing = threading.Lock()


def progress_path(config: dict, job: str) -> Path:
    """Return the path of a job's progress file, in the results of an experiment."""
    return paths.result_path(config, paths.PROGRESS, job=job)


def note(path: Path, **facts: Any) -> None:
    """Add facts to a job's progress; the file is replaced atomically."""
    with _writing:
        write_json(path, {**read(path), **facts, "updated": time.time()})


def read(path: Path) -> dict[str, Any]:
    """Return a job's progress, or an empty mapping if there is no readable file."""
    try:
        value = read_json(path)
        json_schema.check(value, "results/progress", str(path), "the job will write it again")
    except UserError:
        return {}
    return value


def begin(path: Path) -> None:
    """Reset a job's progress and record that this process runs it."""
    now = time.time()
    facts = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "started": now, "updated": now}
    with _writing:
        write_json(path, facts)


@contextmanager
def recorded(config: dict, job: str) -> Iterator[None]:
    """Record in the job's progress that this process runs it, and how it ended.

    Raises:
        UserError: The file cannot be written.
    """
    if os.environ.get("RANK", "0") != "0" or not re.fullmatch(r"(?!.*\.\.)[\w/@.+-]+", job):
        yield  # rank 0 of this job reports the progress
        return
    path = progress_path(config, job)
    begin(path)
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    beat.start()
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt) or getattr(error, "code", None) == RESUMABLE
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        _end(path, ended, "interrupted" if interrupted else "failed", message=message[:300])
        raise
    _end(path, ended, "done")


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(UserError, OSError):  # the job itself reports that the disk is full
            note(path)


def _end(path: Path, ended: threading.Event, state: str, **facts: Any) -> None:
    ended.set()
    with suppress(UserError, OSError):  # the result is written, or the stage's own error is reported
        note(path, state=state, ended=time.time(), **facts)


def state_of(progress: dict[str, Any], now: float) -> str:
    """Return the state of a job, one of `STATES`. A job whose process no longer exists counts as failed.

    Args:
        progress: The job's progress, from `read`.
        now: Seconds since the epoch.

    Raises:
        KeyError, TypeError or ValueError: The progress was not written by `recorded`.
    """
    state = progress["state"]
    if state not in STATES:
        raise ValueError(f"unknown state {state!r}; expected one of {', '.join(STATES)}")
    if state != "running":
        return state
    if progress["host"] != socket.gethostname():
        return "running" if now - float(progress["updated"]) < SILENCE else "failed"
    try:
        same = psutil.Process(int(progress["pid"])).create_time() <= float(progress["started"]) + 1
    except psutil.Error:
        same = False
    return "running" if same else "failed"


def duration(seconds: float) -> str:
    """Format a duration with the precision of an estimate."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
