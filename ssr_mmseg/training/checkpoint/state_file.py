"""State files: tensors and plain values only, written atomically and validated when read."""

import io
import stat
from pathlib import Path
from typing import Any

import torch

from ssr_mmseg.training.checkpoint.archive_members import Members, NotTensorsError
from ssr_mmseg.training.checkpoint.pickle_reader import read_pickle
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.files import atomic_path

MAX_BYTES = 16 * 2**30  # four copies of the largest network that is accepted take a quarter of it


class DamagedStateError(UserError):
    """A state file that exists but is truncated, damaged or contains more than data."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers, strings, lists and dictionaries atomically.

    Raises:
        UserError: The disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()  # torch's writer of files raises an unspecific RuntimeError if the disk is full
    torch.save(state, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """Read a state or a checkpoint on the CPU, without running any code from the file.

    What `save_state` wrote is read as it was. In a checkpoint of mmengine's `CheckpointHook` a number of NumPy is read
    as Python's, and a `HistoryBuffer` as a `History`. Takes twice the memory of the file.

    Raises:
        DamagedStateError: The file is truncated, damaged, or contains more than data.
        UserError: The file is missing, or reading it fails.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a file, expected a state or weights; check the path")
        if status.st_size > MAX_BYTES:
            raise DamagedStateError(f"{path} is larger than {MAX_BYTES} bytes, which no state is; delete it")
        data = path.read_bytes()  # read separately, to distinguish a disk error from a damaged file
    except FileNotFoundError as error:
        raise UserError(f"{path} not found; make it with: snakemake --cores all {path}") from error
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the disk, then run again") from error
    try:
        members = Members(data)
        state = read_pickle(members.pickled, members.storage)
    except Exception as error:  # the readers of damaged bytes raise errors of many types
        problem = one_line(error, 200) if isinstance(error, NotTensorsError) else type(error).__name__
        raise DamagedStateError(
            f"{path} is not a readable state file ({problem}); delete it and run the stage again"
        ) from error
    if not isinstance(state, dict):
        raise DamagedStateError(f"{path} contains a {type(state).__name__}, expected a dictionary; run the stage again")
    return state
