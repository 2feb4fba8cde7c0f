"""Validation of checkpoint files before and after `torch.load`.

torch's weights-only unpickler runs no code from the file, but a small file can still make it allocate any amount of
memory: by compression, by calling allowed constructors, or by tensors larger than their stored data.
"""

import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ssr_mmseg.utils.errors import UserError

MAX_PICKLE = 64 * 2**20  # bytes of the pickle, which holds the structure around the tensors
MAX_DEPTH = 32
# All globals that dictionaries of tensors and parameters need; others that torch allows can allocate any amount.
GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch (Size|device|\w+Storage)"
    r"|torch\.storage \w+Storage|torch (float|bfloat|int|uint)\d+|torch bool"
)


class NotTensorsError(ValueError):
    """A file that torch could read but that contains something other than tensors and plain values."""


def check_archive(archive: zipfile.ZipFile) -> None:
    """Check an archive before torch reads it: reading it must not take more memory than its size suggests.

    Raises:
        NotTensorsError: A member is compressed or duplicated, or the pickle is too large or refers to a global that
            tensors do not need.
    """
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise NotTensorsError("it has two members of one name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise NotTensorsError(f"{member.filename} is compressed, which torch's own files never are")
        if member.filename.endswith(".pkl"):
            if member.file_size > MAX_PICKLE:
                raise NotTensorsError(f"{member.filename} is larger than {MAX_PICKLE} bytes")
            for operation, argument, _ in pickletools.genops(archive.read(member)):
                if "GLOBAL" in operation.name and not GLOBALS.fullmatch(str(argument)):
                    raise NotTensorsError(f"it refers to {str(argument).replace(' ', '.', 1)}, which is not a tensor")


def check_values(value: Any) -> None:
    """Check that a loaded value has only dictionaries, lists and tuples of tensors and plain values, not too deep.

    Raises:
        NotTensorsError: It contains something else, or a tensor larger than its stored data.
    """
    level, seen = [value], {id(value)}
    for _ in range(MAX_DEPTH + 1):
        following: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                following += [*item.keys(), *item.values()]
            elif isinstance(item, list | tuple):
                following += item
            elif isinstance(item, torch.Tensor):
                if item.layout is not torch.strided or item.untyped_storage().nbytes() < item.numel() * item.itemsize:
                    raise NotTensorsError(f"a tensor of shape {tuple(item.shape)} is larger than its stored data")
            elif item is not None and not isinstance(item, bool | int | float | str | torch.device | torch.dtype):
                raise NotTensorsError(f"it contains a value of type {type(item).__name__}")
        level = [item for item in following if id(item) not in seen]
        seen.update(map(id, level))
        if not level:
            return
    raise NotTensorsError(f"it is nested more than {MAX_DEPTH} levels deep")


@contextmanager
def state_needed(path: Path | str) -> Iterator[None]:
    """Convert the errors that a valid state of another network or version causes into a `UserError`.

    Args:
        path: The file, or a name for the message.
    """
    try:
        yield
    except UserError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path} is not the state that this stage needs ({problem[:200]}); "
            "delete it and run the stage that makes it"
        ) from error
