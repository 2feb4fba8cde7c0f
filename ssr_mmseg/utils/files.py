"""Files on disk: written whole or not at all, read back as data only."""

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


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block ends without an error.

    The temporary name keeps the suffix of `path`, because image and array writers choose their format by it.
    A block that raises leaves `path` as it was; a full disk or a read-only folder becomes a `UserError`.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        temporary = Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(handle, 0o666 & ~umask)  # mkstemp's 0600 would hide results from the rest of a group
        os.close(handle)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (path, temporary, *path.parents):
            raise
        raise UserError(f"could not write {path}: {error.strerror}; free space or choose a writable folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON; NaN and infinities are refused (`ValueError`)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a whole file of at most `most` bytes.

    Raises:
        OSError: it cannot be read.
        UserError: it is larger.
    """
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UserError(f"{path} is larger than {most} bytes, the most that is read of such a file; check what it is")
    return data


def read_json(path: Path, most: int = MAX_BYTES) -> Any:
    """Read a JSON file of at most `most` bytes.

    Raises:
        UserError: the file is missing, unreadable, too large or no JSON of plain values (see `parsing`).
    """
    try:
        return parse_json(read_bytes(Path(path), most))
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the path") from error
    except ParseError as error:
        raise UserError(f"{path} is not valid JSON ({error}); repair it or make it anew") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
