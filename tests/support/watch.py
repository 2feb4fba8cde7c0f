"""Monitoring of document readers: records writes elsewhere, started programs, connections and pickles."""

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CPU_SECONDS = 60  # per document; CPU time of this process, because wall time depends on other load
MEMORY = 2 * 2**30  # bytes that reading one document may add

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
FORBIDDEN = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"}
FORBIDDEN |= {"pickle.find_class", "urllib.Request", "ctypes.dlopen"}

_watching: list[Path] = []
_violations: list[str] = []


def _hook(event: str, arguments: tuple) -> None:
    if not _watching:
        return
    if event in FORBIDDEN:
        _violations.append(f"{event} {arguments!r:.200}")
    elif event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes | os.PathLike) and isinstance(flags, int) and flags & WRITING:
            _note_path(event, path)
    elif event in CHANGING:
        for path in arguments[: 2 if event in ("os.rename", "os.link", "os.symlink") else 1]:
            if isinstance(path, str | bytes | os.PathLike):
                _note_path(event, path)


def _note_path(event: str, path: Any) -> None:
    place = Path(os.path.realpath(os.fsdecode(path)))
    if not place.is_relative_to(_watching[0]) and "__pycache__" not in place.parts and place != Path(os.devnull):
        _violations.append(f"{event} {str(place)!r}")


sys.addaudithook(_hook)


class TouchedError(AssertionError):
    """Reading a document had a forbidden side effect."""


class TooLongError(AssertionError):
    """Reading a document took more than `CPU_SECONDS` of CPU time."""


def _too_long(*_: object) -> None:
    raise TooLongError(f"reading took more than {CPU_SECONDS} s of CPU time")


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Forbid changes outside `folder` within the block, and limit its CPU time and memory.

    Raises:
        TouchedError: Something else was changed, or a program, a connection or a pickle was opened.
        TooLongError: The block took too much CPU time.
        MemoryError: The block used too much memory.
    """
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    data = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    handler = signal.signal(signal.SIGVTALRM, _too_long)
    _violations.clear()
    _watching.append(folder.resolve())
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (data + MEMORY, limits[1]))
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        _watching.clear()
        signal.signal(signal.SIGVTALRM, handler)
    if _violations:
        raise TouchedError("; ".join(_violations))
