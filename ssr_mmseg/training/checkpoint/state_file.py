"""State files: tensors and plain values only, written atomically and validated when read."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from ssr_mmseg.training.checkpoint.safe_load import check_archive, check_values
from ssr_mmseg.training.checkpoint.stand_ins import copy_with_stand_ins
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path


class DamagedStateError(UserError):
    """A state file that exists but is truncated, damaged or contains more than data."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers, strings, lists and dictionaries atomically.

    Raises:
        UserError: The disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()  # torch's own writer raises an unspecific RuntimeError if the disk is full
    torch.save(state, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """Read a state or a checkpoint on the CPU, without running any code from the file.

    What `save_state` wrote is read as it was. In a checkpoint of mmengine's `CheckpointHook` a number of NumPy is read
    as Python's, and a `HistoryBuffer` as a `History`.

    Raises:
        DamagedStateError: The file is truncated, damaged, or contains more than data.
        UserError: The file is missing, or reading it fails.
    """
    try:
        data = io.BytesIO(path.read_bytes())  # read separately, to distinguish a disk error from a damaged file
    except FileNotFoundError as error:
        raise UserError(f"{path} not found; make it with: snakemake --cores all {path}") from error
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the disk, then run again") from error
    try:
        with zipfile.ZipFile(data) as archive:  # torch does not verify the stored checksums
            check_archive(archive)
            damaged = archive.testzip()
            if damaged:
                raise DamagedStateError(f"{path} is damaged ({damaged}); delete it and run the stage again")
            data, stand_ins = copy_with_stand_ins(archive)
        with torch.serialization.safe_globals(stand_ins.allowed()):
            state = torch.load(data, map_location="cpu", weights_only=True)
        state = stand_ins.resolve(state)
        check_values(state)
    except DamagedStateError:
        raise
    except Exception as error:
        cause = str(error).rpartition("WeightsUnpickler error:")[2].strip()  # torch puts its advice before the cause
        problem = cause.splitlines()[0][:200] if cause else type(error).__name__
        raise DamagedStateError(
            f"{path} is not a readable state file ({problem}); delete it and run the stage again"
        ) from error
    if not isinstance(state, dict):
        raise DamagedStateError(f"{path} contains a {type(state).__name__}, expected a dictionary; run the stage again")
    return state
