"""A recorder on the CPU that behaves like CUDA graphs, to test recorded steps without a GPU.

It keeps the list of operators that a function dispatches, with their numbers and their tensors; a replay runs that
list, and nothing of the function's Python.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

NAN = float("nan")


class Tape(TorchDispatchMode):
    """Keep every operator dispatched in the block, with its arguments and its result."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable, tuple, dict, Any]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> dict[int, Tensor]:
        """Run the operators again; return the new tensors by the identity of those that were recorded."""
        new: dict[int, Tensor] = {}

        def current(value: Any) -> Any:
            return tree_map_only(Tensor, lambda tensor: new.get(id(tensor), tensor), value)

        for func, args, kwargs, result in self.calls:
            again = func(*current(args), **current(kwargs))
            for before, after in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if torch.is_tensor(before):
                    new[id(before)] = after
        return new


class PretendRecorder:
    """Records and replays on the CPU.

    A recording computes nothing, as on a GPU: what it has changed is restored, and its results are NaN until a replay.

    Args:
        changed: The tensors that functions change in place.
    """

    def __init__(self, changed: Iterable[Tensor]) -> None:
        self.changed = list(changed)
        self.warm_ups = self.records = self.replays = self.forgotten = 0

    def warm_up(self, function: Callable[[], Any]) -> Any:
        self.warm_ups += 1
        return function()

    def record(self, function: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        self.records += 1
        kept, generator = [tensor.clone() for tensor in self.changed], torch.get_rng_state()
        try:
            with Tape() as tape:
                result = function()
        finally:
            with torch.no_grad():
                for tensor, value in zip(self.changed, kept, strict=True):
                    tensor.copy_(value)
            torch.set_rng_state(generator)
        fixed = tree_map_only(Tensor, lambda tensor: torch.full_like(tensor, NAN), result)

        def replay() -> None:
            self.replays += 1
            new = tape.replay()
            for memory, recorded in zip(tree_leaves(fixed), tree_leaves(result), strict=True):
                if memory is not None:
                    memory.copy_(new[id(recorded)])

        return fixed, replay

    def forget(self) -> None:
        self.forgotten += 1
