"""Unpack an archive that is not trusted: plain files below one folder, of limited size and number."""

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

MAX_BYTES = 16 * 2**30
MAX_FILES = 200_000
LARGEST_READ = 64 * 2**20  # tarfile reads a header in one piece: one beyond this is an attack on memory
MAX_DEPTH = 32  # folders below each other
MAX_RATIO = 200  # bytes unpacked per byte: pictures are compressed already, and hardly shrink again
FREE_BYTES = 64 * 2**20  # unpacked before the ratio counts
# What the readers raise on damaged bytes; `LookupError` on a zip member without a name, `RecursionError` on chains of
# tar headers that announce another header.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, ValueError, LookupError, OverflowError, RecursionError),
)

Member = tuple[str, int, IO[bytes] | None]  # name, size in bytes, content (None: a folder)


def extract(archive: Path, target: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
    """Unpack a .tar, .tar.gz or .zip file (told by its content) so that `target` holds it whole, or nothing changes.

    Raises:
        UserError: the archive is damaged or of another kind, holds a link, a device or a path that leads outside,
            exceeds a limit, or cannot be written.
    """
    try:
        file = open(archive, "rb")  # noqa: SIM115 (closed below, where reading and writing errors differ)
    except OSError as error:
        raise UserError(f"could not read {archive}: {error.strerror}; check the path") from error
    with file, staged_folder(target) as folder:
        try:
            _unpack(file, archive, folder, max_bytes, max_files)
        except UserError:
            raise
        except (*DAMAGE, gzip.BadGzipFile) as error:
            problem = str(error) or type(error).__name__
            raise UserError(
                f"{archive} is damaged or no .tar, .tar.gz or .zip file ({problem}); get it again"
            ) from error
        except (NotImplementedError, RuntimeError) as error:  # zipfile: unknown compression, encryption
            raise UserError(f"{archive} cannot be unpacked ({error}); pack it again, without encryption") from error


def _unpack(file: IO[bytes], archive: Path, folder: Path, max_bytes: int, max_files: int) -> None:
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"PK":
        members = _zip_members(file, max_files)
    else:
        members = _tar_members(gzip.GzipFile(fileobj=file) if start[:2] == b"\x1f\x8b" else file, max_bytes)
    size_packed = os.fstat(file.fileno()).st_size
    most = max(MAX_RATIO * size_packed, FREE_BYTES)
    total = 0
    for number, (name, size, content) in enumerate(members, start=1):
        if size < 0:
            raise tarfile.ReadError(f"{name!r} has a size of {size} bytes")
        total += size
        if number > max_files:
            raise UserError(f"{archive} holds more than {max_files} files; if you trust it, raise options.max_files")
        if total > max_bytes:
            raise UserError(f"{archive} unpacks to over {max_bytes} bytes; if you trust it, raise options.max_bytes")
        if total > most:
            raise UserError(
                f"{archive} unpacks to over {MAX_RATIO} times its size, which pictures never do: do not trust it, "
                "or unpack it yourself and give the folder"
            )
        path = PurePosixPath(name)
        if len(path.parts) > MAX_DEPTH:
            raise UserError(f"{archive} holds a path of over {MAX_DEPTH} folders; pack it again without them")
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            raise UserError(f"{archive} holds the path {name!r}, which leads outside its folder: do not trust it")
        if content is not None:
            _write(folder / path, content, archive)


def _write(path: Path, content: IO[bytes], archive: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as out:
            shutil.copyfileobj(content, out, 2**16)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{archive} holds two files at one path, {path.name}; pack it again") from error


def _refuse(name: str) -> UserError:
    return UserError(
        f"the archive holds {name!r}, a link or a device; only files and folders are unpacked: leave it out"
    )


def _zip_members(file: IO[bytes], max_files: int) -> Iterator[Member]:
    # zipfile reads the whole directory first, 1 kB of memory for each entry of 47 bytes or more
    with zipfile.ZipFile(_Limited(file, 2**20 + 128 * max_files)) as members:
        for member in members.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError("compressed by another method than deflate")  # LZMA may ask for any memory
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse(member.filename)
            if member.is_dir():
                yield member.filename, 0, None
                continue
            # zipfile yields no more than file_size bytes and checks their CRC, so the declared size holds.
            with members.open(member) as content:
                yield member.filename, member.file_size, content


def _tar_members(raw: IO[bytes] | gzip.GzipFile, max_bytes: int) -> Iterator[Member]:
    stream = _Stream(raw, 2**20)  # type: ignore[arg-type]  # both can be read and sought
    with tarfile.open(fileobj=stream, mode="r:") as members:
        for member in members:
            if member.isdir():
                yield member.name, 0, None
            elif member.isreg():
                yield member.name, member.size, members.extractfile(member)
            else:
                raise _refuse(member.name)
        # tarfile takes a cut or garbled header for the end: the true end is a block of zeros.
        stream.seek(members.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it ends early")
    # On to the end of the stream, because only there gzip compares its checksum.
    trailing = 0
    while chunk := stream.read(2**16):
        trailing += len(chunk)
        if trailing > max_bytes:
            raise tarfile.ReadError(f"over {max_bytes} bytes follow its last file")


class _Stream(io.BufferedReader):
    """A reader that refuses to read much at once, and whose buffer spares gzip most seeks back."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


class _Limited:
    """A file for `zipfile` that refuses to read much at once."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.most = file, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        data = self.file.read(min(size, self.most + 1) if size >= 0 else self.most + 1)
        if len(data) > self.most:
            raise zipfile.BadZipFile(f"a directory of over {self.most} bytes")
        return data
