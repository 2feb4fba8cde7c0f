"""What the names in the pickles of torch and mmengine refer to: functions that make values of the arguments.

None of them is torch's, NumPy's or mmengine's. They check all arguments, because a small file can hold numbers for
which those would take any amount of memory, and spend a budget for what they copy. Of an object of NumPy or mmengine
the arguments and the state are kept, of which `finished_values` makes an array or a `History`.
"""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssr_mmseg.training.checkpoint.archive_members import NotTensorsError

MAX_DIMENSIONS = 64
MAX_TENSORS = 200_000  # each takes 1 kB, and as little as 5 bytes of the file
MAX_SIDE = 2**24  # of a tensor without elements, whose shape no stored data limit
ENTRY = 4  # what a copied entry spends; in the pickle it takes at least half as many bytes
NAMES = {  # by name in the pickle: the method of `NamedObjects`
    "collections OrderedDict": "ordered_dict",
    "collections Counter": "counter",  # milestones of a MultiStepLR
    "torch Size": "size",
    "torch device": "device",
    "torch._utils _rebuild_tensor_v2": "tensor",
    "torch._utils _rebuild_parameter": "parameter",
    "mmengine.logging.history_buffer HistoryBuffer": "history",
    **dict.fromkeys(("__builtin__ getattr", "builtins getattr"), "statistic"),
    **dict.fromkeys(("__builtin__ bytes", "builtins bytes"), "no_bytes"),
    "_codecs encode": "encode",
    "numpy ndarray": "array",
    "numpy dtype": "number_type",
    **dict.fromkeys(("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"), "reconstruct"),
    **dict.fromkeys(("numpy.core.multiarray scalar", "numpy._core.multiarray scalar"), "scalar"),
}
KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
TYPES = {f"torch {kind}": getattr(torch, kind) for kind in KINDS}
STORAGES = {
    f"torch {name}Storage": getattr(torch, kind)
    for kind, name in zip(
        KINDS, ("Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double"), strict=True
    )
}
STATISTICS = ("min", "max", "current", "mean")  # the methods of a HistoryBuffer, which every instance refers to
NUMBER_TYPES = re.compile(r"f[248]|[iu][1248]|b1")


@dataclass(frozen=True)
class Name:
    """A name in a pickle: of a method of `NamedObjects`, or of a type of storage."""

    method: str
    kind: torch.dtype | None = None


@dataclass(frozen=True)
class Storage:
    """Stored numbers, (length,), of which tensors are views."""

    values: Tensor


class Kept:
    """An object of which only the arguments and the state are kept.

    Attributes:
        name: The method that made it: `history`, `array` or `number_type`.
        arguments: Its arguments.
        state: The state that the pickle sets, if it does.
    """

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple = ()) -> None:
        self.name, self.arguments = name, arguments
        self.state: Any = None


class NamedObjects:
    """The functions for one file.

    Args:
        storage: Gives the bytes that are stored under a key, (length,).
        budget: Number of bytes and entries that all calls together may make. Those of a file that torch wrote do not
            make more than its pickle holds.
    """

    def __init__(self, storage: Callable[[str], Tensor], budget: int) -> None:
        self.storage, self.left = storage, budget
        self.stored_bytes: dict[str, Tensor] = {}
        self.storages: dict[tuple[str, torch.dtype], Storage] = {}
        self.tensors = 0

    def named(self, name: str) -> Any:
        """Return what a name of a pickle refers to.

        Raises:
            NotTensorsError: It is neither needed for tensors nor for mmengine's checkpoints.
        """
        if name in TYPES:
            return TYPES[name]
        if name in STORAGES:
            return Name("", STORAGES[name])
        if name not in NAMES:
            raise NotTensorsError(f"it refers to {name.replace(' ', '.', 1)}, which is not a tensor")
        return Name(NAMES[name])

    def call(self, function: Any, arguments: Any) -> Any:
        """Call what a name refers to.

        Raises:
            NotTensorsError: It is no function, the arguments are not those that torch writes, or the budget is spent.
        """
        if type(function) is not Name or not function.method or type(arguments) is not tuple:
            raise NotTensorsError(f"it calls a value of type {type(function).__name__}")
        try:
            return getattr(self, function.method)(*arguments)
        except TypeError as error:
            raise NotTensorsError(f"it calls {function.method} with other arguments than torch does") from error

    def stored(self, reference: Any) -> Storage:
        """Return the storage that a reference names: `storage`, its type, its key, a device and its length.

        Raises:
            NotTensorsError: The reference is not one, or the stored data have another length.
        """
        mark, kind, key, _, length = reference
        if mark != "storage" or type(kind) is not Name or kind.kind is None or type(key) is not str:
            raise NotTensorsError("it refers to a storage in another way than torch does")
        if key not in self.stored_bytes:
            self.stored_bytes[key] = self.storage(key)
        content = self.stored_bytes[key]
        if type(length) is not int or length * kind.kind.itemsize != len(content):
            raise NotTensorsError(f"the storage {key[:20]} has {len(content)} bytes, which is not the stated length")
        if (key, kind.kind) not in self.storages:
            self.storages[key, kind.kind] = Storage(content.view(kind.kind))
        return self.storages[key, kind.kind]

    def tensor(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        _hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        """Return a tensor within a storage; two of its elements never share a place there."""
        if type(storage) is not Storage or metadata or not _natural((offset,), size, stride):
            raise NotTensorsError("it has a tensor that is not described as torch does")
        if len(size) > MAX_DIMENSIONS:
            raise NotTensorsError(f"it has a tensor of {len(size)} dimensions")
        self.tensors += 1
        if self.tensors > MAX_TENSORS:
            raise NotTensorsError(f"it has more than {MAX_TENSORS} tensors")
        values, shape = storage.values, str(tuple(size))[:80]
        count = math.prod(size)
        if count > len(values) or (count == 0 and math.prod(max(side, 1) for side in size) > MAX_SIDE):
            raise NotTensorsError(f"a tensor of shape {shape} is larger than its stored data")
        reach = 0  # of the dimensions with smaller strides
        for step, side in sorted(zip(stride, size, strict=True)):
            if count and side > 1 and step <= reach:
                raise NotTensorsError(f"the elements of a tensor of shape {shape} overlap")
            reach += step * (side - 1) if count else 0
        if offset + reach + (count > 0) > len(values):
            raise NotTensorsError(f"a tensor of shape {shape} reaches beyond its stored data")
        strides = [min(step, len(values)) for step in stride] if count else [1] * len(size)
        made = torch.empty(0, dtype=values.dtype)
        made.set_(values.untyped_storage(), offset if count else 0, size, strides)
        return made.requires_grad_(requires_grad is True)

    def parameter(self, data: Any, requires_grad: Any, _hooks: Any = None) -> nn.Parameter:
        if type(data) is not Tensor:
            raise NotTensorsError("it has a parameter that is not a tensor")
        return nn.Parameter(data, requires_grad is True)

    def ordered_dict(self) -> OrderedDict:
        return OrderedDict()

    def counter(self, entries: Any = None) -> Counter:
        entries = {} if entries is None else entries
        if type(entries) is not dict or not all(type(count) is int for count in entries.values()):
            raise NotTensorsError("it has a Counter of something other than numbers")
        self._spend(ENTRY * len(entries))
        return Counter(entries)

    def size(self, sides: Any) -> torch.Size:
        if not _natural(sides):
            raise NotTensorsError("it has a Size that is not one of numbers")
        self._spend(ENTRY * len(sides))
        return torch.Size(sides)

    def device(self, name: Any, index: Any = None) -> torch.device:
        return torch.device(name) if index is None else torch.device(name, index)

    def encode(self, text: Any, codec: Any) -> bytes:
        """Return bytes, which the pickles of torch hold as text in Latin 1."""
        if not isinstance(text, str) or codec != "latin1":
            raise NotTensorsError(f"it encodes text as {str(codec)[:20]}, which is not how numbers are stored")
        self._spend(len(text))
        return text.encode("latin1")

    def no_bytes(self) -> bytes:
        return b""

    def statistic(self, owner: Any, name: Any) -> None:
        """Accept the references of a HistoryBuffer to its methods, which are not needed."""
        if owner != Name("history") or name not in STATISTICS:
            raise NotTensorsError("it refers to getattr, which is not a tensor")

    def history(self) -> Kept:
        return Kept("history")

    def reconstruct(self, *_: Any) -> Kept:
        return Kept("array")

    def array(self) -> Kept:
        raise NotTensorsError("it has an array without data")

    def number_type(self, name: Any, *_: Any) -> Kept:
        return Kept("number_type", (name,))

    def scalar(self, kind: Any, data: Any) -> int | float | bool:
        return self.numbers(kind, (), data).item()

    def numbers(self, kind: Any, shape: Any, data: Any, order: Any = "C") -> np.ndarray:
        """Return an array of numbers.

        Args:
            kind: Its type, as `number_type` keeps it.
            shape: Its shape.
            data: Its content.
            order: `C` or `F`.

        Raises:
            NotTensorsError: It is not one of numbers, or larger than the data.
        """
        if not isinstance(kind, Kept) or kind.name != "number_type" or not isinstance(data, bytes):
            raise NotTensorsError("it has an array that is not one of numbers")
        number_type = _number_type(kind)
        if not _natural(shape) or len(shape) > MAX_DIMENSIONS:
            raise NotTensorsError("it has an array whose shape is not one of numbers")
        stored = math.prod(shape) * number_type.itemsize == len(data)
        if not stored or math.prod(max(side, 1) for side in shape) > max(MAX_SIDE, len(data)):
            raise NotTensorsError(f"an array of shape {str(shape)[:60]} does not have the size of its stored data")
        self._spend(len(data))
        return np.ndarray(shape, number_type, data, order=order).copy(order)

    def _spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise NotTensorsError("it would take much more memory than its size")


def _natural(*tuples: Any) -> bool:
    """Return whether all arguments are tuples of integers from 0 to 2⁶³ − 1."""
    return all(isinstance(t, tuple) and all(type(n) is int and 0 <= n < 2**63 for n in t) for t in tuples)


def _number_type(kept: Kept) -> np.dtype:
    """Return a type, if it is one of little-endian numbers."""
    (name,) = kept.arguments
    order, *others = kept.state[1:5] if isinstance(kept.state, tuple) and len(kept.state) >= 5 else ("",)
    if not isinstance(name, str) or not NUMBER_TYPES.fullmatch(name) or order not in ("<", "|") or any(others):
        raise NotTensorsError(f"it has an array of type {str(name)[:20]}, expected one of numbers")
    return np.dtype(name)
