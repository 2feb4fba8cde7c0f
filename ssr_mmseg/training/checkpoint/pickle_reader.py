"""Reader of the pickles that torch and mmengine write: the instructions that these use, carried out as data.

No unpickler is used. torch's weights-only one runs no code from a file, but a small file can still make it take any
amount of memory or time, or end the process: by nesting tuples that are keys, by constructors that it allows, by types
of tensors that crash when they are shown. Here an instruction or a name that is not expected ends the reading, and
what a file can build is counted.
"""

import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ssr_mmseg.training.checkpoint.archive_members import NotTensorsError
from ssr_mmseg.training.checkpoint.finished_values import finished
from ssr_mmseg.training.checkpoint.named_objects import Kept, NamedObjects

MAX_OPERATIONS = 8_000_000  # instructions; each takes up to 100 bytes of memory and 1 µs
MAX_KEY = 2**31  # of an integer that is a key: larger ones could be chosen such that a dictionary takes very long
MAPPINGS = (dict, OrderedDict, Counter)


def read_pickle(pickled: bytes, storage: Callable[[str], Tensor]) -> Any:
    """Return the value of a pickle: dictionaries, lists and tuples of tensors, arrays, and plain values.

    Args:
        pickled: The pickle.
        storage: Gives the bytes that are stored under a key, (length,).

    Raises:
        NotTensorsError: It contains something else, or more than its size suggests.
        Exception: It is damaged.
    """
    machine = StackMachine(NamedObjects(storage, budget=2 * len(pickled)))
    for number, (operation, argument, _) in enumerate(pickletools.genops(pickled)):
        step = getattr(machine, f"do_{operation.name.lower()}", None)
        if step is None:
            raise NotTensorsError(f"its pickle has the instruction {operation.name}, which torch.save does not write")
        if number >= MAX_OPERATIONS:
            raise NotTensorsError(f"its pickle has more than {MAX_OPERATIONS} instructions")
        step(argument)
    return finished(machine.result, machine.objects)


class StackMachine:
    """State of the reading: the stack, the stacks below its marks, and the memo.

    The methods `do_…` carry out the instruction of that name, whose effects the module `pickletools` describes.

    Args:
        objects: What the pickle's names refer to.
    """

    def __init__(self, objects: NamedObjects) -> None:
        self.objects = objects
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def do_proto(self, version: int) -> None:
        if version != 2:
            raise NotTensorsError(f"its pickle has protocol {version}, expected torch's 2")

    def do_stop(self, _: None) -> None:
        (self.result,) = self.stack

    def do_none(self, _: None) -> None:
        self.stack.append(None)

    def do_newtrue(self, _: None) -> None:
        self.stack.append(True)

    def do_newfalse(self, _: None) -> None:
        self.stack.append(False)

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    do_binint = do_binint1 = do_binint2 = do_binfloat = _push

    def do_long1(self, value: int) -> None:
        if not -(2**63) <= value < 2**64:  # 64 bits, with or without a sign
            raise NotTensorsError("it has an integer beyond 64 bits")
        self.stack.append(value)

    def do_binunicode(self, value: str) -> None:
        value.encode("utf-8")  # no half characters
        self.stack.append(value)

    def do_empty_tuple(self, _: None) -> None:
        self.stack.append(())

    def do_empty_list(self, _: None) -> None:
        self.stack.append([])

    def do_empty_dict(self, _: None) -> None:
        self.stack.append({})

    def do_mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def do_tuple(self, _: None) -> None:
        items = self._to_mark()
        self.stack.append(tuple(items))

    def do_tuple1(self, _: None) -> None:
        self._tuple(1)

    def do_tuple2(self, _: None) -> None:
        self._tuple(2)

    def do_tuple3(self, _: None) -> None:
        self._tuple(3)

    def do_append(self, _: None) -> None:
        self._extend([self.stack.pop()])

    def do_appends(self, _: None) -> None:
        self._extend(self._to_mark())

    def do_setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def do_setitems(self, _: None) -> None:
        self._set(self._to_mark())

    def do_binput(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    do_long_binput = do_binput

    def do_binget(self, index: int) -> None:
        self.stack.append(self.memo[index])

    do_long_binget = do_binget

    def do_global(self, name: str) -> None:
        self.stack.append(self.objects.named(name))

    def do_binpersid(self, _: None) -> None:
        self.stack.append(self.objects.stored(self.stack.pop()))

    def do_reduce(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.objects.call(function, arguments))

    do_newobj = do_reduce

    def do_build(self, _: None) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Kept):
            target.state = state
        elif type(target) is OrderedDict and isinstance(state, dict) and state.keys() <= {"_metadata"}:
            target.__dict__.update(state)  # versions of a model's modules
        else:
            raise NotTensorsError(f"it sets the state of a value of type {type(target).__name__}")

    def _to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _tuple(self, length: int) -> None:
        items = self.stack[-length:]
        if len(items) != length:
            raise NotTensorsError("its pickle is damaged")
        self.stack[-length:] = [tuple(items)]

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise NotTensorsError(f"it appends to a value of type {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def _set(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in MAPPINGS:
            raise NotTensorsError(f"it sets an entry of a value of type {type(target).__name__}")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) is not str and not (type(key) is int and abs(key) < MAX_KEY):
                raise NotTensorsError(f"it has a key of type {type(key).__name__}, expected text or a small integer")
            target[key] = value
