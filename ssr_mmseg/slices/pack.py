"""An unfinished experiment as a folder of small files: a tar, cut in parts, and a manifest with their digests."""

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import torch

from ssr_mmseg.errors import UserError
from ssr_mmseg.files import read_json, sha256, write_json
from ssr_mmseg.slices.choice import candidates
from ssr_mmseg.training.state import load_state, save_state

PART_BYTES = 15 * 2**20
MANIFEST = "manifest.json"
MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's


class _Parts(io.RawIOBase):
    """A stream that writes files of at most `PART_BYTES` into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
        self.names.append(f"part{len(self.names):02d}")
        (self.folder / self.names[-1]).write_bytes(self.buffer[:PART_BYTES])
        del self.buffer[:PART_BYTES]


def pack(root: Path, target: Path, megabytes: float, moments: str = "float32") -> dict:
    """Write what is needed to continue the experiment below `root` into the folder `target`.

    Args:
        root: Folder that holds `results/`.
        target: Folder of the parts; what an earlier call left there is replaced.
        megabytes: Limit on all parts together, in MiB. Files that do not fit are named in the manifest: their work
            is done again.
        moments: `float32` keeps states to the bit; `bfloat16` rounds Adam's moments in them, which takes a third off.

    Returns:
        The manifest: `parts` with their bytes and SHA-256, the number of `files`, and `left_out` with bytes.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / MANIFEST).unlink(missing_ok=True)  # without a manifest a folder counts as nothing
    for old in target.glob("part[0-9][0-9]"):
        old.unlink()
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
    write_json(target / MANIFEST, manifest)
    return manifest


def unpack(source: Path, root: Path) -> int:
    """Put the files that `pack` wrote into the folder `source` back below `root`; return their number.

    Raises:
        UserError: the manifest or a part is missing, or a part is not what was written.
    """
    manifest = read_json(source / MANIFEST)
    for part in manifest["parts"]:
        path = source / part["name"]
        if not path.is_file() or sha256(path) != part["sha256"]:
            raise UserError(f"{path} is missing or not what was packed; copy the whole folder {source} again")
    with tempfile.TemporaryFile() as joined:
        for part in manifest["parts"]:
            joined.write((source / part["name"]).read_bytes())
        joined.seek(0)
        with tarfile.open(fileobj=joined, mode="r:") as archive:
            archive.extractall(root, filter="data")  # refuses links and paths that lead elsewhere
            return len(archive.getmembers())


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
