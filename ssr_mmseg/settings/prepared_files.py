"""Record of the files of a prepared dataset, to notice that one of them changed after it was verified.

Must not import torch or mmseg: the command `doctor` reads it where they are missing. A comparison takes the time of one
`stat` for each file: contents are read only where the time of a file is another one.
"""

import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path, read_bytes, sha256

NAME = "files.csv"  # next to the manifest, whose entry `files` has its digest
COLUMNS = ("split", "path", "size", "mtime_ns", "sha256")
MAX_RECORD_BYTES = 128 * 2**20  # of about a million files
DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was when it was verified.

    Attributes:
        split: Its split.
        path: Path relative to the root of the data.
        size: Bytes.
        mtime_ns: Time of its last modification in nanoseconds.
        sha256: SHA-256 of its content.
    """

    split: str
    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class ChangedFile:
    """A file that is not as it was, and how it differs."""

    path: Path
    how: str


def write_records(folder: Path, records: Sequence[FileRecord]) -> dict[str, Any]:
    """Write the records to `folder / "files.csv"` atomically, and return the entry of the manifest that belongs to it.

    Raises:
        UserError: There are too many files, or the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((one.split, one.path, one.size, one.mtime_ns, one.sha256) for one in records)
    data = text.getvalue().encode()
    if len(data) > MAX_RECORD_BYTES:
        raise UserError(f"the dataset has {len(records)} files, whose list is larger than {MAX_RECORD_BYTES} bytes")
    with atomic_path(folder / NAME) as temporary:
        temporary.write_bytes(data)
    return {"count": len(records), "sha256": records_digest(records)}


def read_records(manifest_path: Path, manifest: Mapping[str, Any]) -> list[FileRecord]:
    """Read the records of a manifest; none if it is of a version that made none.

    Raises:
        UserError: The file is missing or damaged, or belongs to another manifest.
    """
    entry = manifest.get("files")
    if entry is None:
        return []
    path = manifest_path.with_name(NAME)
    try:
        records = parse_records(read_bytes(path, MAX_RECORD_BYTES))
        if records_digest(records) != entry["sha256"]:
            raise ValueError("another content than the manifest says")
        return records
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; {again(manifest_path)}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path} does not belong to {manifest_path} ({error}); {again(manifest_path)}") from error


def changed_files(root: Path, records: Iterable[FileRecord], contents: bool = False) -> list[ChangedFile]:
    """Compare files with their records, and return those that differ, in the order of the records.

    A file of another time is read and compared by content, so that a copy and a touched file are no change.

    Args:
        root: Folder of the data.
        records: What the files were.
        contents: Read every file, also those of the recorded time.
    """
    found: dict[int, ChangedFile] = {}
    doubtful: list[tuple[int, Path, str]] = []
    for number, record in enumerate(records):
        path = root / record.path
        try:
            now = os.stat(path)
        except (OSError, ValueError) as error:  # ValueError: a path that cannot exist
            found[number] = ChangedFile(path, _reason(error))
            continue
        if not stat.S_ISREG(now.st_mode) or now.st_size != record.size:
            found[number] = ChangedFile(path, f"{now.st_size} bytes instead of {record.size}")
        elif contents or now.st_mtime_ns != record.mtime_ns:
            doubtful.append((number, path, record.sha256))
    if doubtful:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:  # hashing releases the GIL
            problems = pool.map(_content_problem, *zip(*((path, digest) for _, path, digest in doubtful), strict=True))
            for (number, path, _), problem in zip(doubtful, problems, strict=True):
                if problem:
                    found[number] = ChangedFile(path, problem)
    return [found[number] for number in sorted(found)]


def summary(changed: Sequence[ChangedFile], total: int) -> str:
    """Return changed files in a few words, as in `3 of 421 files changed since they were prepared (first a.png: …)`."""
    first = changed[0]
    return f"{len(changed)} of {total} files changed since they were prepared (first {first.path}: {first.how})"


def again(manifest_path: Path) -> str:
    """Return how to prepare a dataset again."""
    return f"prepare the data again: snakemake --cores all --force {manifest_path}"


def parse_records(data: bytes) -> list[FileRecord]:
    """Return the records in the content of a file of them.

    Raises:
        ValueError, csv.Error: It is not such a file.
    """
    _header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    return [_record(row) for row in rows]


def records_digest(records: Sequence[FileRecord]) -> str:
    """Return a SHA-256 of records without their times, so that equal data give equal manifests."""
    lines = [f"{one.split}\0{one.path}\0{one.size}\0{one.sha256}\n" for one in records]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _record(row: Sequence[str]) -> FileRecord:
    """Return the record of a row; raise `ValueError` if it is none."""
    split, name, size, time, digest = row
    if not DIGEST.fullmatch(digest):
        raise ValueError("a row without a SHA-256")
    return FileRecord(split, name, int(size), int(time), digest)


def _content_problem(path: Path, digest: str) -> str | None:
    try:
        return None if sha256(path) == digest else "other content of the same size"
    except OSError as error:
        return _reason(error)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
