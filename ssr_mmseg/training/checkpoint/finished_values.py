"""Values of a pickle as they are used: with arrays and histories, neither deep, nor circular, nor repeated often."""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssr_mmseg.training.checkpoint.archive_members import NotTensorsError
from ssr_mmseg.training.checkpoint.named_objects import Kept, NamedObjects
from ssr_mmseg.utils.safe_parsing import MAX_DEPTH, MAX_VALUES

PLAIN = (bool, int, float, str, type(None), torch.device, torch.dtype, torch.Size, Tensor, nn.Parameter)
CONTAINERS = (dict, OrderedDict, Counter, list, tuple)
HISTORY = ("_log_history", "_count_history", "max_length")  # what is read of a HistoryBuffer


@dataclass(frozen=True)
class History:
    """The data of one of mmengine's `HistoryBuffer`s: logged values, how often each counts, and how many are kept."""

    log: np.ndarray
    count: np.ndarray
    max_length: int


@dataclass(frozen=True)
class Finished:
    """A finished value.

    Attributes:
        before: What it was, kept alive, because it is known by its identity.
        value: The value.
        levels: Levels of containers within it.
        count: Number of values in it, each counted as often as it appears.
    """

    before: Any
    value: Any
    levels: int = 0
    count: int = 1


def finished(value: Any, objects: NamedObjects) -> Any:
    """Return a value with an array or a `History` in place of everything that was kept.

    Raises:
        NotTensorsError: It contains something other than tensors, arrays of numbers and plain values, is nested too
            deep, contains itself, or would be much larger if every value in it were stored as often as it appears.
    """
    return _Finisher(objects).finish(value, 0).value


class _Finisher:
    """The values that are finished so far."""

    def __init__(self, objects: NamedObjects) -> None:
        self.objects = objects
        self.done: dict[int, Finished | None] = {}  # by identity of the value; None while it is being finished

    def finish(self, value: Any, depth: int) -> Finished:
        if type(value) in PLAIN:
            return Finished(value, value)
        if id(value) not in self.done:
            if depth > MAX_DEPTH:
                raise NotTensorsError(f"it is nested more than {MAX_DEPTH} levels deep")
            self.done[id(value)] = None
            self.done[id(value)] = self._finish(value, depth)
        known = self.done[id(value)]
        if known is None:
            raise NotTensorsError("it has a value that contains itself")
        if depth + known.levels > MAX_DEPTH:
            raise NotTensorsError(f"it is nested more than {MAX_DEPTH} levels deep")
        return known

    def _finish(self, value: Any, depth: int) -> Finished:
        if isinstance(value, Kept):
            return Finished(value, self._made(value, depth))
        if type(value) not in CONTAINERS:
            raise NotTensorsError(f"it contains a value of type {type(value).__name__}")
        levels, count, replaced = 0, 1 + len(value), {}
        for key, inner in list(value.items()) if isinstance(value, dict) else enumerate(value):
            if type(inner) in PLAIN:
                continue
            part = self.finish(inner, depth + 1)
            levels, count = max(levels, part.levels + 1), count + part.count
            if part.value is not inner:
                replaced[key] = part.value
            if count > MAX_VALUES:
                raise NotTensorsError("it would take much more memory than its size")
        if type(value) is OrderedDict and any(self.finish(v, depth + 1).value is not v for v in vars(value).values()):
            raise NotTensorsError("it has an array in the versions of a model's modules")
        if replaced and isinstance(value, tuple):
            return Finished(
                value, tuple(replaced.get(place, inner) for place, inner in enumerate(value)), levels, count
            )
        for key, new in replaced.items():
            value[key] = new
        return Finished(value, value, levels, count)

    def _made(self, kept: Kept, depth: int) -> Any:
        """Return an array or a history of what was kept.

        Raises:
            NotTensorsError: It is not complete.
        """
        if kept.name == "array":
            if not isinstance(kept.state, tuple) or len(kept.state) != 5:
                raise NotTensorsError("it has an array without data")
            _, shape, kind, by_columns, data = kept.state
            return self.objects.numbers(kind, shape, data, "F" if by_columns is True else "C")
        if kept.name != "history":
            raise NotTensorsError("it contains a value of type dtype")
        state = kept.state if isinstance(kept.state, dict) else {}
        log, count, most = (self.finish(state.get(key), depth + 1).value for key in HISTORY)
        arrays = isinstance(log, np.ndarray) and isinstance(count, np.ndarray)
        if not (arrays and log.ndim == 1 and log.shape == count.shape and type(most) is int and most > 0):
            raise NotTensorsError("it has a HistoryBuffer that is not complete")
        return History(log, count, most)
