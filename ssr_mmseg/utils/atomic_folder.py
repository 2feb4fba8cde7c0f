"""Atomic replacement of folders."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssr_mmseg.utils.errors import UserError


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `path` when the block ends without an error.

    A block that raises leaves `path` unchanged. Temporary folders of killed runs are removed first.

    Raises:
        UserError: The folder cannot be written, for example because the disk is full.
    """
    prefix = f".{path.name}."
    staged: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f"{prefix}*"):
            shutil.rmtree(stale)
        staged = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
        new = staged / "new"
        new.mkdir()
        yield new
        if path.exists():
            os.replace(path, staged / "old")
        os.replace(new, path)
    except OSError as error:
        raise UserError(f"could not write {path}: {error.strerror}; free space or choose a writable folder") from error
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
