"""An unfinished experiment as a folder of small files: a tar, cut in parts, and a manifest with their digests."""

import io
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import torch

from ssr_mmseg import schema
from ssr_mmseg.errors import UserError
from ssr_mmseg.files import atomic_path, read_json, sha256, write_json
from ssr_mmseg.slices.choice import FOLDERS, candidates
from ssr_mmseg.training.state import load_state, save_state

PART_BYTES = 15 * 2**20
MANIFEST = "manifest.json"
CLOCK = 0.01  # seconds by which times of files may be rounded
MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's


class _Parts(io.RawIOBase):
    """A stream that writes files of at most `PART_BYTES` into a folder, under names that are new there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = secrets.token_hex(4)
        self.names: list[str] = []
        self.buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.buffer += data
        while len(self.buffer) >= PART_BYTES:
            self._flush_part()
        return len(memoryview(data).cast("B"))

    def close(self) -> None:
        if self.buffer:
            self._flush_part()
        super().close()

    def _flush_part(self) -> None:
        self.names.append(f"part{len(self.names):02d}-{self.token}")
        (self.folder / self.names[-1]).write_bytes(self.buffer[:PART_BYTES])
        del self.buffer[:PART_BYTES]


def pack(root: Path, target: Path, megabytes: float, moments: str = "float32") -> dict:
    """Write what is needed to continue the experiment below `root` into the folder `target`.

    Args:
        root: Folder that holds `results/`.
        target: Folder of the parts; what an earlier call left there is replaced, and kept until all is written.
        megabytes: Limit on all parts together, in MiB. Files that do not fit are named in the manifest: their work
            is done again.
        moments: `float32` keeps states to the bit; `bfloat16` rounds Adam's moments in them, which takes a third off.

    Returns:
        The manifest: `parts` with their bytes and SHA-256, the number of `files`, and `left_out` with bytes.
    """
    target.mkdir(parents=True, exist_ok=True)
    budget = megabytes * 2**20
    left_out, packed = [], 0
    stream = _Parts(target)
    with stream, tarfile.open(fileobj=cast(BinaryIO, stream), mode="w|") as archive:
        for name in candidates(root):
            with _to_pack(root / name, moments) as file:
                size = file.stat().st_size + 1024  # with tar's header and padding
                if size > budget:
                    left_out.append({"file": name.as_posix(), "bytes": file.stat().st_size})
                    continue
                archive.add(file, arcname=name.as_posix(), filter=_dated((root / name).stat().st_mtime))
                budget -= size
                packed += 1
    parts = [{"name": n, "bytes": (target / n).stat().st_size, "sha256": sha256(target / n)} for n in stream.names]
    manifest = {"files": packed, "moments": moments, "parts": parts, "left_out": left_out}
    write_json(target / MANIFEST, manifest)  # until here the earlier manifest and its parts hold
    for old in target.glob("part*"):
        if old.name not in stream.names:
            old.unlink()
    return manifest


def unpack(source: Path, root: Path) -> int:
    """Put the files that `pack` wrote into the folder `source` back below `root`; return their number.

    A file that is there already and newer stays as it is: the same slice may have been begun before.

    Raises:
        UserError: the manifest or a part is missing, a part is not what was written, or something in it is no file of
            an experiment.
    """
    again = f"copy the whole folder {source} again"
    manifest = read_json(source / MANIFEST)
    schema.check(manifest, "slice", str(source / MANIFEST), again)
    for part in manifest["parts"]:
        path = source / part["name"]
        if not path.is_file() or sha256(path) != part["sha256"]:
            raise UserError(f"{path} is missing or not what was packed; {again}")
    with tempfile.TemporaryFile() as joined:
        for part in manifest["parts"]:
            joined.write((source / part["name"]).read_bytes())
        joined.seek(0)
        try:
            with tarfile.open(fileobj=joined, mode="r:") as archive:
                members = archive.getmembers()
                foreign = next((member.name for member in members if not _is_ours(member)), None)
                if foreign is not None:
                    raise UserError(f"{source} holds {foreign[:200]!r}, which is no file of an experiment; {again}")
                return sum(_put_back(archive, member, root / member.name) for member in members)
        except tarfile.TarError as error:
            raise UserError(f"the parts in {source} are no archive ({error}); {again}") from error


def _is_ours(member: tarfile.TarInfo) -> bool:
    """Whether it is a plain file in one of the folders that are packed."""
    name = PurePosixPath(member.name)
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
    return plain and ".." not in name.parts and any(name.is_relative_to(folder) for folder in FOLDERS)


def _put_back(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bool:
    """Write a file, whole and with its time, unless a newer one is there; whether it was written."""
    if path.exists() and path.stat().st_mtime > member.mtime + CLOCK:
        return False
    with atomic_path(path) as temporary:
        with cast(BinaryIO, archive.extractfile(member)) as packed, open(temporary, "wb") as file:
            shutil.copyfileobj(packed, file)
        os.utime(temporary, (member.mtime, member.mtime))
    return True


@contextmanager
def _to_pack(path: Path, moments: str) -> Iterator[Path]:
    """The file to put into the archive: `path` itself, or a copy of a state with its moments rounded."""
    if moments != "bfloat16" or path.name != "state.pth":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        save_state(copy, rounded(load_state(path)))
        yield copy


def rounded(state: dict) -> dict:
    """A training state with Adam's moments in bfloat16; optimizers take them back as float32."""
    optimizers = state["optimizers"]
    parts = optimizers.values() if "state" not in optimizers else [optimizers]  # of a search, there are two
    for part in parts:
        for moments in part["state"].values():
            moments |= {name: moments[name].to(torch.bfloat16) for name in MOMENTS if name in moments}
    return state


def _dated(modified: float) -> Callable[[tarfile.TarInfo], tarfile.TarInfo]:
    """A tar filter that keeps the original's time, by which Snakemake orders files, and no user's name."""

    def entry(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = modified, 0, 0, "", ""
        return info

    return entry
