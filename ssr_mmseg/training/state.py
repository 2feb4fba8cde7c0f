"""Training state on disk: tensors and plain values only, written whole, checked when read."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from ssr_mmseg.errors import UserError
from ssr_mmseg.files import atomic_path


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers, strings, lists and dictionaries atomically.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()  # torch's own writer turns a full disk into a RuntimeError that does not say so
    torch.save(state, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, on the CPU, without running any code from the file.

    Raises:
        UserError: the file is missing, truncated, damaged, or holds more than data.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch reads without comparing the stored checksums
            damaged = archive.testzip()
        if damaged:
            raise UserError(f"{path} is damaged ({damaged}); delete it and run the stage again")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} not found; run the stage that makes it") from error
    except UserError:
        raise
    except Exception as error:
        problem = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UserError(f"{path} is no readable state ({problem}); delete it and run the stage again") from error
    if not isinstance(state, dict):
        raise UserError(f"{path} holds a {type(state).__name__}, expected a dictionary; run the stage again")
    return state
