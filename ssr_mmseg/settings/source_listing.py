"""Listing of the files of a dataset's source, so that a change of them prepares the dataset again.

Must not import torch: the Snakefile imports this module. Contents are not read, only names, sizes and times.
"""

import ast
import fnmatch
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.cache import cached
from ssr_mmseg.utils.files import walk_files

DERIVED = "DERIVED"  # constant of a dataset type's module: patterns of names of files that `prepare` adds to a source


@dataclass(frozen=True)
class SourceListing:
    """What a source consists of.

    Attributes:
        files: Number of files.
        bytes: Their total size.
        digest: SHA-256 over path, size and modification time of each.
    """

    files: int
    bytes: int
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain data."""
        return asdict(self)


@cached
def source_listing(dataset_type: str, source: str | None) -> SourceListing | None:
    """List a folder or an archive; None for a dataset without a source, a URL, or a source that cannot be read.

    Hidden files are left out, and so are those that `prepare` itself adds, such as label maps of Cityscapes.
    """
    if not source or "://" in source:
        return None
    path, derived = Path(source).expanduser(), derived_patterns(dataset_type)
    entries = []
    try:
        if path.is_file():
            entries.append(_entry("", path.stat()))
        for name in walk_files(path) if path.is_dir() else ():
            if not any(fnmatch.fnmatch(os.path.basename(name), pattern) for pattern in derived):
                entries.append(_entry(name, os.stat(path / name)))
    except OSError:  # `prepare` reports it
        return None
    digest = hashlib.sha256("".join(sorted(line for line, _ in entries)).encode("utf-8", "surrogateescape"))
    return SourceListing(len(entries), sum(size for _, size in entries), digest.hexdigest()) if entries else None


@cached
def derived_patterns(dataset_type: str) -> tuple[str, ...]:
    """Return the patterns in the constant `DERIVED` of a dataset type's module, read without importing it."""
    file = paths.PACKAGE / "datasets" / f"{dataset_type}.py"
    if not file.is_file():
        return ()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == DERIVED:
            return tuple(ast.literal_eval(node.value))
    return ()


def _entry(name: str, stat: os.stat_result) -> tuple[str, int]:
    return f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n", stat.st_size
