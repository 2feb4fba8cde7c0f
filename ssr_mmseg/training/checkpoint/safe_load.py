"""Validation of checkpoint files before and after `torch.load`.

torch's weights-only unpickler runs no code from the file, but a small file can still make it allocate any amount of
memory: by compression, by calling allowed constructors, or by tensors larger than their stored data. Of the names that
a file may refer to, those that could do harm are called through `stand_ins`.
"""

import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssr_mmseg.training.checkpoint.stand_ins import MAX_DEPTH, NAMES, History, NotTensorsError
from ssr_mmseg.utils.errors import UserError

MAX_PICKLE = 64 * 2**20  # bytes of the pickle, which holds the structure around the tensors
# The globals that dictionaries of tensors and parameters need besides those with a stand-in; others that torch allows
# can allocate any amount.
GLOBALS = re.compile(r"torch\._utils _rebuild_parameter|torch (device|bool|\w+Storage|(float|bfloat|int|uint)\d+)")
PLAIN = (bool, int, float, str, torch.device, torch.dtype, History)


def check_archive(archive: zipfile.ZipFile) -> None:
    """Check an archive before torch reads it: reading it must not take more memory than its size suggests.

    Raises:
        NotTensorsError: A member is compressed or duplicated, or the pickle is too large or refers to a global that
            neither tensors nor mmengine's checkpoints need.
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
                if operation.name == "PROTO" and argument != 2:  # torch would warn, then fail
                    raise NotTensorsError(f"its pickle has protocol {argument}, expected torch's 2")
                if "GLOBAL" not in operation.name:
                    continue
                name = str(argument)
                if name not in NAMES and not GLOBALS.fullmatch(name):
                    raise NotTensorsError(f"it refers to {name.replace(' ', '.', 1)}, which is not a tensor")


def check_values(value: Any) -> None:
    """Check that a loaded value has only dictionaries, lists and tuples of tensors, arrays of numbers and plain values.

    Raises:
        NotTensorsError: It contains something else, or a tensor larger than its stored data, or is nested too deep.
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
            elif isinstance(item, np.ndarray) and item.dtype.kind in "biuf":
                continue
            elif item is not None and not isinstance(item, PLAIN):
                raise NotTensorsError(f"it contains a value of type {type(item).__name__}")
        # each once, because a list may hold a long list many times
        level = list({id(item): item for item in following if id(item) not in seen}.values())
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
