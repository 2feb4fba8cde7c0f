"""What a file of tensors may hold: checked before torch reads it, and after.

torch's weights-only unpickler runs no code of the file's, but a small file can still make it allocate any amount of
memory: by compression, by calling the constructors that it allows, or by tensors larger than what is stored for them.
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

MAX_PICKLE = 64 * 2**20  # bytes of the structure around the tensors
MAX_DEPTH = 32
# All that tensors, parameters and dictionaries of them need; torch allows more, which can be made to grow.
GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch (Size|device|\w+Storage)"
    r"|torch\.storage \w+Storage|torch (float|bfloat|int|uint)\d+|torch bool"
)


class NotTensorsError(ValueError):
    """A file that torch could read, but that holds something other than tensors and plain values."""


def check_archive(archive: zipfile.ZipFile) -> None:
    """Check an archive that torch is about to read: nothing in it may grow.

    Raises:
        NotTensorsError: a member is compressed or stands twice, or the pickle is too large or names other things than
            tensors need.
    """
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise NotTensorsError("a member stands in it twice")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise NotTensorsError(f"{member.filename} is compressed, which torch's own files never are")
        if member.filename.endswith(".pkl"):
            if member.file_size > MAX_PICKLE:
                raise NotTensorsError(f"{member.filename} is larger than {MAX_PICKLE} bytes")
            for operation, argument, _ in pickletools.genops(archive.read(member)):
                if "GLOBAL" in operation.name and not GLOBALS.fullmatch(str(argument)):
                    raise NotTensorsError(f"it names {str(argument).replace(' ', '.', 1)}, which is no tensor")


def check_values(value: Any) -> None:
    """Check what torch read: dictionaries, lists and tuples of tensors and plain values, not nested too deep.

    Raises:
        NotTensorsError: something else, or a tensor that is larger than what is stored for it.
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
                    raise NotTensorsError(f"a tensor of shape {tuple(item.shape)} is larger than what is stored for it")
            elif item is not None and not isinstance(item, bool | int | float | str | torch.device | torch.dtype):
                raise NotTensorsError(f"it holds a value of type {type(item).__name__}")
        level = [item for item in following if id(item) not in seen]
        seen.update(map(id, level))
        if not level:
            return
    raise NotTensorsError(f"it is nested more than {MAX_DEPTH} levels deep")


@contextmanager
def state_needed(path: Path | str) -> Iterator[None]:
    """Turn what using a sound file of another network or version raises into a `UserError`.

    Args:
        path: The file, or what to call it.
    """
    try:
        yield
    except UserError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path} is not the state that this stage needs ({problem[:200]}); delete it and run what makes it"
        ) from error
