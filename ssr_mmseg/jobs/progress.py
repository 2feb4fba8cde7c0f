"""What a job tells about itself: `progress.json` has its state, its process and, of a training, the position.

It does not lie among the results, which Snakemake deletes when a job fails: `ssr-mmseg status` reads it then too.
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

BEAT = 20.0  # seconds between the signs of life of a job that has nothing else to tell
SILENCE = 6 * BEAT  # without a sign for so long, a job on another machine counts as dead
STATES = ("running", "done", "failed", "interrupted")

_writing = threading.Lock()


def job_name(stage: str, dataset: str = "", seed: int | None = None, detail: str | int = "") -> str:
    """Name of a job in the folders of logs and progress: `search/streets-seed0`, `shrink/streets-seed0-2`, `table`.

    Args:
        stage: The rule.
        detail: The network, or the number of a shrinking stage.
    """
    parts = [dataset, "" if seed is None else f"seed{seed}", str(detail)]
    return "/".join(filter(None, [stage, "-".join(filter(None, parts))]))


def progress_path(job: str) -> Path:
    """Where a job's progress is written."""
    return Path(paths.PROGRESS.format(job=job))


def note(path: Path, **facts: Any) -> None:
    """Add facts to a job's progress; the file is replaced whole."""
    with _writing:
        write_json(path, {**read(path), **facts, "updated": time.time()})


def read(path: Path) -> dict[str, Any]:
    """A job's progress; empty if there is none that can be read."""
    try:
        value = read_json(path)
        json_schema.check(value, "results/progress", str(path), "the job writes it anew")
    except UserError:
        return {}
    return value


def begin(path: Path) -> None:
    """Start a job's progress anew: from now on this process works on it."""
    now = time.time()
    own = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "started": now, "updated": now}
    with _writing:
        write_json(path, own)


@contextmanager
def recorded(job: str) -> Iterator[None]:
    """Note in the job's progress that this process works on it, and how that ended.

    Raises:
        UserError: the file cannot be written.
    """
    if os.environ.get("RANK", "0") != "0" or not re.fullmatch(r"(?!.*\.\.)[\w/@.+-]+", job):
        yield  # another process of the same job tells
        return
    path = progress_path(job)
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
        with suppress(UserError, OSError):  # the job itself will say that the disk is full
            note(path)


def _end(path: Path, ended: threading.Event, state: str, **facts: Any) -> None:
    ended.set()
    with suppress(UserError, OSError):  # the stage has written its result, or its error is the one to show
        note(path, state=state, ended=time.time(), **facts)


def state_of(progress: dict[str, Any], now: float) -> str:
    """The state that a job is in, one of `STATES`; a process that vanished without a word has failed.

    Args:
        progress: The job's progress, as `read` gives it.
        now: Seconds since the epoch.

    Raises:
        KeyError, TypeError or ValueError: the progress is not what `recorded` writes.
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
    """A duration to the precision that a forecast has."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
