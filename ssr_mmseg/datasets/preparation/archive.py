"""Unpacking of untrusted archives to plain files below one folder, limited in size and number.

Not `tarfile`'s data filter: it accepts links within the folder, strips the root from absolute paths instead of refusing
them, has no limits, and does not apply to .zip files.
"""

import gzip
import io
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.plain_text import text_problem
from ssr_mmseg.utils.safe_parsing import quote

MAX_BYTES = 16 * 2**30
MAX_FILES = 200_000
MAX_READ = 64 * 2**20  # tarfile reads each header in one piece: a larger one is an attack on memory
MAX_DEPTH = 32  # nested folders
MAX_NAME = 255  # bytes, as file systems have it
MAX_RATIO = 200  # unpacked bytes per packed byte: images are already compressed and hardly shrink further
FREE_BYTES = 64 * 2**20  # may be unpacked whatever the ratio
RENAME = "rename the files, and pack them again with names in UTF-8"
# Errors of the readers on damaged bytes; `LookupError` for a zip member without a name, `RecursionError` for chains of
# tar headers that announce another header.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, LookupError, OverflowError, RecursionError),
)

Member = tuple[str, int, IO[bytes] | None]  # name, size in bytes, content (None for a folder)


def extract(archive: Path, target: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
    """Unpack a .tar, .tar.gz or .zip file, recognized by its content, to `target`, completely or not at all.

    Raises:
        UserError: The archive is damaged or of another format, contains a link, a device or a path that leads outside,
            or exceeds a limit, or `target` cannot be written.
    """
    try:
        file = open(archive, "rb")  # noqa: SIM115 (closed below; errors of writing are handled separately)
    except OSError as error:
        raise UserError(f"could not read {archive}: {error.strerror}; check the path") from error
    with file, staged_folder(target) as folder:
        try:
            _unpack(file, archive, folder, max_bytes, max_files)
        except UserError:
            raise
        except UnicodeDecodeError as error:
            raise UserError(
                f"{archive} contains the name {quote(error.object)}, which is not UTF-8; {RENAME}"
            ) from error
        except DAMAGE as error:
            problem = str(error) or type(error).__name__
            raise UserError(
                f"{archive} is damaged or not a .tar, .tar.gz or .zip file ({problem}); get it again"
            ) from error
        except (NotImplementedError, RuntimeError) as error:  # of zipfile: unknown compression, encryption
            raise UserError(f"{archive} cannot be unpacked ({error}); pack it again as .tar.gz") from error


def _unpack(file: IO[bytes], archive: Path, folder: Path, max_bytes: int, max_files: int) -> None:
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"PK":
        members = _zip_members(file, max_files)
    else:
        members = _tar_members(gzip.GzipFile(fileobj=file) if start[:2] == b"\x1f\x8b" else file, max_bytes)
    max_inflated = max(MAX_RATIO * os.fstat(file.fileno()).st_size, FREE_BYTES)
    total = 0
    for number, (name, size, content) in enumerate(members, start=1):
        if size < 0:
            raise tarfile.ReadError(f"{name!r} has a size of {size} bytes")
        total += size
        if number > max_files:
            raise UserError(f"{archive} contains more than {max_files} files; if you trust it, raise options.max_files")
        if total > max_bytes:
            raise UserError(f"{archive} unpacks to over {max_bytes} bytes; if you trust it, raise options.max_bytes")
        if total > max_inflated:
            raise UserError(
                f"{archive} unpacks to over {MAX_RATIO} times its size, which images never do; "
                "if you trust it, unpack it yourself and give the folder"
            )
        if problem := text_problem(name):
            raise UserError(f"{archive} contains the name {quote(name)}, which has {problem}; {RENAME}")
        path = PurePosixPath(name)
        if any(len(part.encode()) > MAX_NAME for part in path.parts):
            raise UserError(f"{archive} contains the name {quote(path.name)} of over {MAX_NAME} bytes; {RENAME}")
        if len(path.parts) > MAX_DEPTH:
            raise UserError(f"{archive} contains a path of over {MAX_DEPTH} nested folders; pack it again with fewer")
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            raise UserError(f"{archive} contains the path {name!r}, which leads outside its folder; do not trust it")
        if content is not None:
            _write(folder / path, content, archive)


def _write(path: Path, content: IO[bytes], archive: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as out:
            shutil.copyfileobj(content, out, 2**16)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{archive} contains two files with one path, {path.name}; pack it again") from error


def _special_file_error(name: str) -> UserError:
    return UserError(
        f"the archive contains {name!r}, a link or a device, but only files and folders are unpacked; "
        "pack it again without it"
    )


def _zip_members(file: IO[bytes], max_files: int) -> Iterator[Member]:
    # zipfile reads the whole directory first and needs 1 kB of memory for each entry of at least 47 bytes
    limited = _Limited(file, 2**20 + 128 * max_files)
    with zipfile.ZipFile(limited, metadata_encoding="utf-8") as members:  # also names without the mark of UTF-8
        for member in members.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError("compressed by another method than deflate")  # LZMA may request any memory
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _special_file_error(member.filename)
            if member.is_dir():
                yield member.filename, 0, None
                continue
            # zipfile yields at most file_size bytes and checks their CRC, so the declared size is reliable.
            with members.open(member) as content:
                yield member.filename, member.file_size, content


def _tar_members(raw: IO[bytes] | gzip.GzipFile, max_bytes: int) -> Iterator[Member]:
    stream = _Stream(raw, 2**20)  # type: ignore[arg-type]  # both can be read and sought
    with tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as members:  # whatever the locale
        for member in members:
            if member.isdir():
                yield member.name, 0, None
            elif member.isreg():
                yield member.name, member.size, members.extractfile(member)
            else:
                raise _special_file_error(member.name)
        # tarfile mistakes a truncated or garbled header for the end; the true end is a block of zeros.
        stream.seek(members.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it ends early")
    # Read on to the end of the stream, where gzip verifies its checksum.
    trailing = 0
    while chunk := stream.read(2**16):
        trailing += len(chunk)
        if trailing > max_bytes:
            raise tarfile.ReadError(f"over {max_bytes} bytes follow its last file")


class _Stream(io.BufferedReader):
    """A reader that limits the size of each read, and whose buffer saves gzip most backward seeks."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


class _Limited:
    """A file for `zipfile` that limits the size of each read."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self.file, self.max_bytes = file, max_bytes
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        data = self.file.read(min(size, self.max_bytes + 1) if size >= 0 else self.max_bytes + 1)
        if len(data) > self.max_bytes:
            raise zipfile.BadZipFile(f"a directory of over {self.max_bytes} bytes")
        return data
