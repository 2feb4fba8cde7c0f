"""Lock of a training's work folder, which one process holds at a time.

`filelock` locks through the operating system: the lock ends with its process, however that ends, and child processes
do not inherit it. It also works between machines whose shared file system supports locks.
"""

import os
import platform
import time
from pathlib import Path

from filelock import FileLock, Timeout

from ssr_mmseg.jobs.finished_work import MARK
from ssr_mmseg.utils.errors import UserError

NAME = "lock"
PATIENCE = 12.0  # seconds: longer than a process needs to save its state and stop
_held: dict[Path, tuple[FileLock, os.stat_result]] = {}  # by folder: the lock, and the identity of its file


def claim(work: Path, patience: float = PATIENCE) -> None:
    """Lock `work` for this process until it exits or calls `release`; remove half-written files and its finished mark.

    Waits up to `patience` seconds for another process, which may be saving its state before it stops.

    Raises:
        UserError: Another process trains there, or the folder cannot be written.
    """
    if _is_held(work):
        return
    release(work)
    path, until = work / NAME, time.monotonic() + patience
    lock = _lock(path)
    try:
        while not lock.is_locked:
            work.mkdir(parents=True, exist_ok=True)
            path.touch()
            try:
                lock.acquire(timeout=max(0.0, until - time.monotonic()))
            except Timeout as error:
                raise UserError(
                    f"{_owner(path)} is training in {work} already; wait until it is done, or stop it and run again"
                ) from error
            except FileNotFoundError:
                continue  # the other process has finished and removed the folder
            except OSError:
                break  # a file system without locks: Snakemake's own lock must suffice
        path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"could not write {path}: {error.strerror}; free space or choose a writable folder") from error
    _held[work.absolute()] = lock, path.stat()
    (work / MARK).unlink(missing_ok=True)
    for file in work.glob(".*"):  # left half-written by a killed process
        if file.is_file():
            file.unlink()


def release(work: Path) -> None:
    """Release the lock of a work folder, if this process holds it."""
    if work.absolute() in _held:
        _held.pop(work.absolute())[0].release()


def holder(path: Path) -> str:
    """Return which process holds the lock whose file is `path`, or an empty string if none does."""
    try:
        if path.exists():
            with _lock(path).acquire(blocking=False):
                pass
    except Timeout:
        return _owner(path)
    except OSError:
        pass
    return ""


def _lock(path: Path) -> FileLock:
    return FileLock(path, poll_interval=0.2, thread_local=False, fallback_to_soft=False)


def _is_held(work: Path) -> bool:
    """Return whether this process has locked the file that is in the folder now, not one deleted since."""
    try:
        return os.path.samestat(_held[work.absolute()][1], (work / NAME).stat())
    except (KeyError, FileNotFoundError):
        return False


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"
