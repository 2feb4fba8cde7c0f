"""One process at a time in a training's work folder.

The claim is a lock of the operating system, which ends with its process however that ends, and which child processes
do not inherit. It also holds between machines where their shared file system has locks.
"""

import errno
import fcntl
import os
import platform
import time
from pathlib import Path
from typing import TextIO

from ssr_mmseg.utils.errors import UserError

NAME = "lock"
PATIENCE = 12.0  # seconds: longer than a process that was told to stop may take
_held: dict[Path, TextIO] = {}


def claim(work: Path, patience: float = PATIENCE) -> None:
    """Make `work` this process's until it ends or calls `release`, and remove half-written files from it.

    Waits `patience` seconds for another process to go: one that is being stopped saves its state first.

    Raises:
        UserError: another process trains there, or the folder cannot be written.
    """
    path = work / NAME
    held = _held.get(work.absolute())
    if held and _is_file(held, path):
        return
    release(work)
    until = time.monotonic() + patience
    while True:
        file = _open(path)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                break  # a file system without locks: the workflow's own lock must do
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            if time.monotonic() >= until:
                raise UserError(
                    f"{owner} is training in {work} already; wait until it is done, or stop it and run again"
                ) from error
            time.sleep(0.2)
            continue
        if _is_file(file, path):
            break
        file.close()  # who held it has finished, and removed the folder
    file.seek(0)
    file.truncate()
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    _held[work.absolute()] = file
    for left in work.glob(".*"):  # what a killed process was writing
        if left.is_file():
            left.unlink()


def release(work: Path) -> None:
    """Let go of a work folder."""
    file = _held.pop(work.absolute(), None)
    if file is not None:
        file.close()


def holder(path: Path) -> str:
    """Which process holds the claim whose file is `path`; empty if none does."""
    try:
        with open(path, "r+", encoding="utf-8") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return file.read().strip() or "another process"
    except OSError:
        pass
    return ""


def _is_file(file: TextIO, path: Path) -> bool:
    """Whether the open `file` is what stands at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _open(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+", encoding="utf-8")  # open as long as the claim holds
    except OSError as error:
        raise UserError(f"could not write {path}: {error.strerror}; free space or choose a writable folder") from error
