"""Stand-ins for the functions and classes that a checkpoint's pickle names.

`check_archive` has verified that the pickle names only what tensors and mmengine's checkpoints need. Some of it could
still do harm: `getattr` reaches everything, the codecs of `encode` and the constructors that copy their argument turn a
few bytes into gigabytes, and a NumPy type may hold objects. So `copy_with_stand_ins` renames these, and `torch.load`
calls what is here, which only keeps its arguments or spends a budget; `resolve` makes values of it.
"""

import io
import itertools
import math
import pickletools
import re
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

MAX_DEPTH = 32
MAX_DIMENSIONS = 64
ENTRY = 4  # what a copied entry spends; in the pickle it takes at least half as many bytes
NAMES = {  # by name in the pickle: the attribute of `StandIns`
    "collections OrderedDict": "ordered_dict",
    "collections Counter": "counter",  # milestones of a MultiStepLR
    "torch Size": "size",
    "torch._utils _rebuild_tensor_v2": "tensor",
    "mmengine.logging.history_buffer HistoryBuffer": "history",
    **dict.fromkeys(("__builtin__ getattr", "builtins getattr"), "statistic"),
    **dict.fromkeys(("__builtin__ bytes", "builtins bytes"), "no_bytes"),
    "_codecs encode": "encode",
    "numpy ndarray": "array",
    "numpy dtype": "number_type",
    **dict.fromkeys(("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"), "reconstruct"),
    **dict.fromkeys(("numpy.core.multiarray scalar", "numpy._core.multiarray scalar"), "scalar"),
}
HISTORY = ("_log_history", "_count_history", "max_length")  # what is read of a HistoryBuffer
STATISTICS = ("min", "max", "current", "mean")  # the methods of a HistoryBuffer, which every instance refers to
NUMBER_TYPES = re.compile(r"f[248]|[iu][1248]|b1")


class NotTensorsError(ValueError):
    """A file that torch could read but that contains something other than tensors and plain values."""


@dataclass(frozen=True)
class History:
    """The data of one of mmengine's `HistoryBuffer`s: logged values, how often each counts, and how many are kept."""

    log: np.ndarray
    count: np.ndarray
    max_length: int


class Kept:
    """An object of the pickle of which only the arguments and the state are kept."""

    state: Any = None
    arguments: tuple = ()

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class KeptHistory(Kept):
    """Stand-in for `HistoryBuffer`."""


class KeptArray(Kept):
    """Stand-in for `numpy.ndarray`."""


class KeptType(Kept):
    """Stand-in for `numpy.dtype`."""

    def number_type(self) -> np.dtype:
        """Return the type, if it is one of little-endian numbers.

        Raises:
            NotTensorsError: It is another type, such as that of objects.
        """
        name = self.arguments[0] if self.arguments else None
        order, *others = self.state[1:5] if isinstance(self.state, tuple) and len(self.state) >= 5 else ("",)
        if not isinstance(name, str) or not NUMBER_TYPES.fullmatch(name) or order not in ("<", "|") or any(others):
            raise NotTensorsError(f"it has an array of type {str(name)[:20]}, expected one of numbers")
        return np.dtype(name)


class StandIns:
    """The functions and classes that `torch.load` calls for one file.

    Args:
        budget: Number of bytes and entries that all calls together may make. Those of a file that torch wrote do not
            make more than its pickle holds.
    """

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.history, self.array, self.number_type = KeptHistory, KeptArray, KeptType
        self.ordered_dict, self.counter = self._copier(OrderedDict), self._copier(Counter)
        self.size = self._copier(torch.Size)

    def allowed(self) -> list[Any]:
        """Return the list for `torch.serialization.safe_globals`."""
        return [(getattr(self, name), f"stand_in.{name}") for name in sorted(set(NAMES.values()))]

    def _spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise NotTensorsError("it would take much more memory than its size")

    def _copier(self, kind: Callable) -> Callable:
        def copy(entries: Any = ()) -> Any:
            self._spend(ENTRY * len(entries))
            return kind(entries)

        return copy

    def tensor(self, storage: Any, offset: int, size: tuple, *others: Any) -> torch.Tensor:
        if len(size) > MAX_DIMENSIONS:
            raise NotTensorsError(f"it has a tensor of {len(size)} dimensions")
        return torch._utils._rebuild_tensor_v2(storage, offset, size, *others)

    def encode(self, text: str, codec: str) -> bytes:
        """Return bytes, which the pickles of torch hold as text in Latin 1."""
        if not isinstance(text, str) or codec != "latin1":
            raise NotTensorsError(f"it encodes text as {str(codec)[:20]}, which is not how numbers are stored")
        self._spend(len(text))
        return text.encode("latin1")

    def no_bytes(self) -> bytes:
        return b""

    def statistic(self, owner: Any, name: Any) -> None:
        """Accept the references of a HistoryBuffer to its own methods, which are not needed."""
        if owner is not KeptHistory or name not in STATISTICS:
            raise NotTensorsError("it refers to getattr, which is not a tensor")

    def reconstruct(self, *_: Any) -> KeptArray:
        return KeptArray()

    def scalar(self, kind: Any, data: Any) -> int | float | bool:
        return self._numbers(kind, (), data).item()

    def _numbers(self, kind: Any, shape: Any, data: Any, order: Any = "C") -> np.ndarray:
        if not isinstance(kind, KeptType) or not isinstance(shape, tuple) or not isinstance(data, bytes):
            raise NotTensorsError("it has an array that is not one of numbers")
        number_type = kind.number_type()
        if len(shape) > MAX_DIMENSIONS or not all(type(length) is int and length >= 0 for length in shape):
            raise NotTensorsError("it has an array whose shape is not one of numbers")
        if math.prod(shape) * number_type.itemsize != len(data):
            raise NotTensorsError(f"an array of shape {str(shape)[:60]} does not have the size of its stored data")
        self._spend(len(data))
        return np.ndarray(shape, number_type, data, order=order).copy(order)

    def resolve(self, value: Any) -> Any:
        """Return a loaded value with an array or a `History` in place of every stand-in that it contains.

        Raises:
            NotTensorsError: An array is not one of numbers or larger than its stored data, a history is not complete,
                or the value is nested too deep.
        """
        return self._resolve(value, 0, {})

    def _resolve(self, value: Any, depth: int, done: dict[int, tuple[Any, Any]]) -> Any:
        """Resolve a value; `done` has the results by the identity of the values, which it keeps alive."""
        if not isinstance(value, dict | list | tuple | Kept):
            return value
        if id(value) in done:
            return done[id(value)][1]
        if depth > MAX_DEPTH:
            raise NotTensorsError(f"it is nested more than {MAX_DEPTH} levels deep")
        result: Any = value
        if isinstance(value, dict | list):
            done[id(value)] = value, value  # now, because it may contain itself
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                value[key] = self._resolve(inner, depth + 1, done)
        elif isinstance(value, tuple):
            inner = [self._resolve(item, depth + 1, done) for item in value]
            if any(new is not old for new, old in zip(inner, value, strict=True)):
                result = tuple(inner)
        elif isinstance(value, KeptArray):
            result = self._array(value.state)
        elif isinstance(value, KeptHistory):
            result = self._history(self._resolve(value.state, depth + 1, done))
        done[id(value)] = value, result
        return result

    def _array(self, state: Any) -> np.ndarray:
        if not isinstance(state, tuple) or len(state) != 5:
            raise NotTensorsError("it has an array without data")
        _, shape, kind, by_columns, data = state
        return self._numbers(kind, shape, data, "F" if by_columns else "C")

    def _history(self, state: Any) -> History:
        values: dict[str, Any] = dict.fromkeys(HISTORY) | (state if isinstance(state, dict) else {})
        log, count, most = (values[key] for key in HISTORY)
        arrays = isinstance(log, np.ndarray) and isinstance(count, np.ndarray)
        if not (arrays and log.ndim == 1 and log.shape == count.shape and type(most) is int and most > 0):
            raise NotTensorsError("it has a HistoryBuffer that is not complete")
        return History(log, count, most)


def copy_with_stand_ins(archive: zipfile.ZipFile) -> tuple[io.BytesIO, StandIns]:
    """Return a copy of a checked archive whose pickle names stand-ins, and these.

    Raises:
        BadZipFile: A member does not match its checksum.
    """
    copy, size = io.BytesIO(), 0
    with zipfile.ZipFile(copy, "w") as target:
        for member in archive.infolist():
            content = archive.read(member)
            if member.filename.endswith(".pkl"):
                size += len(content)
                content = renamed(content)
            target.writestr(member.filename, content)
    copy.seek(0)
    return copy, StandIns(budget=2 * size)  # once for the bytes of an array, once for the array


def renamed(pickled: bytes) -> bytes:
    """Return a pickle with the names of stand-ins in place of those in `NAMES`."""
    parts: list[bytes] = []
    start: Any = 0  # the type stubs of pickletools allow None for positions
    for (operation, argument, position), (_, _, following) in itertools.pairwise(pickletools.genops(pickled)):
        if operation.name == "GLOBAL" and argument in NAMES:
            parts += [pickled[start:position], f"cstand_in\n{NAMES[argument]}\n".encode()]
            start = following
    return b"".join([*parts, pickled[start:]])
