"""Run the workflow for some minutes, stop it so that it can go on, and pack what is needed for that."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ssr_mmseg.errors import UserError
from ssr_mmseg.slices.pack import MANIFEST, pack, unpack
from ssr_mmseg.stopping import RESUMABLE

GRACE = 90.0  # seconds that trainings get to finish an iteration and save
LOCKS = Path(".snakemake/locks")


def run_slice(
    arguments: Sequence[str],
    minutes: float,
    out: Path | None = None,
    source: Path | None = None,
    share: int = 1,
    megabytes: float = 60,
    moments: str = "float32",
) -> int:
    """Run Snakemake with `arguments` in the working directory until it is done or `minutes` have passed.

    Args:
        out: Folder to pack into at the end; none packs nothing.
        source: Folder that an earlier slice packed into, to continue from. If it is `out` as well and nothing has been
            packed there yet, this is the first slice, so that one line can be given again until all is done.
        share: Trainings that run at the same time on one GPU.
        megabytes, moments: As in `pack`.

    Returns:
        0 when all is done, 75 when time ran out, otherwise Snakemake's own status.

    Raises:
        UserError: `out` cannot be a folder, or has what would be lost; or `source` is no packed slice.
    """
    began = time.monotonic()
    if out is not None:
        _make(out)  # now, not when there is something to lose
        if source is None and (out / MANIFEST).exists() and not Path("results").exists():
            raise UserError(
                f"{out} holds what an earlier run packed, and there are no results here; continue with --from {out}, "
                "or choose another --out"
            )
    if source is not None and source == out and not any(source.iterdir()):
        print(f"nothing has been packed into {source} yet: this is the first slice", flush=True)
    elif source is not None:
        print(f"unpacked {unpack(source, Path())} files from {source}", flush=True)
    command = [sys.executable, "-m", "snakemake", "--rerun-incomplete", *arguments]
    if not any(argument.startswith(("--cores", "-c")) for argument in arguments):
        command += ["--cores", "all"]
    if share > 1:
        command += ["--resources", f"gpu={share}"]
    status, in_time = _limited(command, began + 60 * minutes)
    told = f"{(time.monotonic() - began) / 60:.1f} minutes"
    print(f"Snakemake ended with {status} after {told}" if in_time else f"stopped after {told}", flush=True)
    if out is not None:
        manifest = pack(Path(), out, megabytes, moments)
        total = sum(part["bytes"] for part in manifest["parts"])
        print(
            f"packed {manifest['files']} files, {total / 2**20:.1f} MiB in {len(manifest['parts'])} parts, into {out}"
        )
        for entry in manifest["left_out"]:
            print(f"left out, to be made again: {entry['file']} ({entry['bytes'] / 2**20:.1f} MiB)")
    return status if in_time else RESUMABLE


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"could not make the folder {folder}: {error.strerror}; choose another --out") from error


def _limited(command: list[str], deadline: float) -> tuple[int, bool]:
    """Exit status of a command, and whether it ended by itself before the deadline.

    It runs in a session of its own, so that the signal reaches the trainings that it started as well.
    """
    process = subprocess.Popen(command, start_new_session=True)
    asked: list[int] = []
    before = {number: signal.signal(number, lambda *_: asked.append(1)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while process.poll() is None and time.monotonic() < deadline and not asked:
            time.sleep(0.2)
        if process.returncode is not None:
            return process.returncode, True
        os.killpg(process.pid, signal.SIGTERM)
        try:
            return process.wait(GRACE), False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            for lock in LOCKS.glob("*"):  # of the Snakemake that was killed: it held the folder alone
                lock.unlink()
            return status, False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
