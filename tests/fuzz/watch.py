"""What happens while a document is read: writes elsewhere, programs, connections and pickles are noted."""

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CPU_SECONDS = 60  # of one document, in this process: no clock of a wall that others share
MEMORY = 2 * 2**30  # bytes that reading one document may add

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
FORBIDDEN = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"}
FORBIDDEN |= {"pickle.find_class", "urllib.Request", "ctypes.dlopen"}

_watching: list[Path] = []
_noted: list[str] = []


def _hook(event: str, arguments: tuple) -> None:
    if not _watching:
        return
    if event in FORBIDDEN:
        _noted.append(f"{event} {arguments!r:.200}")
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
        _noted.append(f"{event} {str(place)!r}")


sys.addaudithook(_hook)


class TouchedError(AssertionError):
    """Reading a document did more than read it."""


class TooLongError(AssertionError):
    """Reading a document took more than `CPU_SECONDS` of the processor."""


def _too_long(*_: object) -> None:
    raise TooLongError(f"more than {CPU_SECONDS} s")


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Within the block, nothing but `folder` may be changed, and time and memory are limited.

    Raises:
        TouchedError: something else was changed, or a program, a connection or a pickle was opened.
        TooLongError: it took too much time.
        MemoryError: it took too much memory.
    """
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    data = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    handler = signal.signal(signal.SIGVTALRM, _too_long)
    _noted.clear()
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
    if _noted:
        raise TouchedError("; ".join(_noted))
