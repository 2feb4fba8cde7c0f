"""Refusal of every write outside a folder, before it happens: tests of odd paths may run as a user who may write all.

Python's audit events are seen, so what a C library opens by itself is not.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = {
    **dict.fromkeys(("os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.utime"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
}

_folder: list[str] = []


class OutsideError(AssertionError):
    """Something outside the folder would have been changed."""


def _hook(event: str, arguments: tuple) -> None:
    if not _folder:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITING:
            _check(event, path)
    elif event in CHANGING:
        for path in arguments[: CHANGING[event]]:
            _check(event, path)


def _check(event: str, path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # a file descriptor
    try:  # of the folder only: the last part may be a link that is replaced
        text = os.path.abspath(os.fsdecode(path))
        place = Path(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
    except ValueError:  # a null character, which the call itself refuses
        return
    harmless = text == os.devnull or text.startswith("/proc/self/") or "__pycache__" in place.parts
    if event == "os.mkdir" and place.is_dir():  # `exist_ok=True`
        return
    if not harmless and not place.is_relative_to(_folder[0]):
        raise OutsideError(f"{event} {text!r}")


sys.addaudithook(_hook)


@contextlib.contextmanager
def confined(folder: Path) -> Iterator[None]:
    """Raise `OutsideError` instead of any change outside `folder` within the block."""
    _folder.append(os.path.realpath(folder))
    try:
        yield
    finally:
        _folder.clear()
