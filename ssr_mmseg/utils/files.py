"""Atomic writing of files, and reading of untrusted JSON files."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.safe_parsing import MAX_BYTES, ParseError, parse_json

# Errors of file systems that cannot flush a folder, or of folders that may be written but not read.
NO_FLUSH = frozenset((errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM))
HIDDEN = (".", "__MACOSX", "Thumbs.db", "desktop.ini")  # beginnings of names that systems leave among a user's files


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` when the block ends without an error.

    The temporary name keeps the suffix of `path`, because image and array writers choose their format by it. A block
    that raises leaves `path` unchanged. When this returns, content and name are on the disk: a loss of power takes
    neither.

    Raises:
        UserError: The disk is full or the folder is not writable.
    """
    path = Path(path)
    temporary: Path | None = None
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"could not write {path}: it is a device or a pipe; choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        temporary = Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(handle, 0o666 & ~umask)  # mkstemp's 0600 would hide results from the rest of a group
        os.close(handle)
        yield temporary
        flush_file(temporary)
        os.replace(temporary, path)
        flush_folder(path.parent)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (path, temporary, *path.parents):
            raise
        raise UserError(f"could not write {path}: {error.strerror}; free space or choose a writable folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def flush_file(path: Path | str) -> None:
    """Wait until the content of a file is on the disk; raise `OSError` if the disk did not take it."""
    with open(path, "rb") as written:
        os.fsync(written.fileno())


def flush_folder(path: Path | str) -> None:
    """Wait until the names in a folder are on the disk, where the file system can do that.

    Raises:
        OSError: The disk did not take them.
    """
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FLUSH:
            raise
    finally:
        if handle is not None:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON; raise `ValueError` for NaN and infinities."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file of at most `max_bytes` bytes.

    Raises:
        OSError: The file cannot be read.
        UserError: The file is larger.
    """
    with open(path, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise UserError(f"{path} is larger than {max_bytes} bytes, the limit for such a file; check what it is")
    return data


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON file of at most `max_bytes` bytes.

    Raises:
        UserError: The file is missing, unreadable, too large or not JSON of plain values (see `safe_parsing`).
    """
    try:
        return parse_json(read_bytes(Path(path), max_bytes))
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the path") from error
    except ParseError as error:
        raise UserError(f"{path} is not valid JSON ({error}); repair it or create it again") from error


def walk_files(root: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it, sorted by folder, without hidden ones.

    Links to folders are followed, except to a folder that the link is in, which would never end.

    Raises:
        OSError: A folder cannot be read.
    """
    yield from _walk(root, "", {os.path.realpath(root)})


def _walk(folder: Path, prefix: str, around: set[str]) -> Iterator[str]:
    """Yield the files of a folder, then those of its folders; `around` are the real paths of it and those around it."""
    with os.scandir(folder) as scan:
        entries = sorted((entry for entry in scan if not entry.name.startswith(HIDDEN)), key=lambda entry: entry.name)
    folders = [entry for entry in entries if entry.is_dir()]
    yield from (prefix + entry.name for entry in entries if not entry.is_dir())
    for entry in folders:
        real = os.path.realpath(entry.path)
        if real not in around:
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", around | {real})


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
