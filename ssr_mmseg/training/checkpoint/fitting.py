"""Check that weights fit a network: their names, shapes and kinds of numbers, and that all are finite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssr_mmseg.utils.errors import UserError, one_line


def load_into(model: nn.Module, state: Mapping[Any, Any], file: Path, network: object, remedy: str) -> None:
    """Load weights into a network, if they are its weights and finite.

    Args:
        model: The network.
        state: What a file has as its state dict.
        file: The file, for the message.
        network: The network's name or file, for the message.
        remedy: What to do, for the message.

    Raises:
        UserError: The names, shapes or kinds of numbers differ, or a weight is not finite; with the first one.
    """
    expected = model.state_dict()
    difference = mismatch(state, expected)
    common = {name: value for name, value in state.items() if name in expected and isinstance(value, Tensor)}
    try:
        if difference and mismatch(common, {name: expected[name] for name in common}):  # in shapes or kinds
            raise ValueError(difference)
        model.load_state_dict(state)  # some modules know the names of earlier versions
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        problem = difference or one_line(error, 200)
        raise UserError(f"{file} are not the weights of {network}: {problem}; {remedy}") from error
    if name := not_finite(model.state_dict(), expected):
        raise UserError(f"{file}: {name} has a value that is not finite; {remedy}")


def mismatch(state: Mapping[Any, Any], expected: Mapping[str, Tensor]) -> str:
    """Return the first difference between a state dict and the expected one; empty if there is none.

    The counters of batch normalizations, which torch adds, may be missing.
    """
    for name, wanted in expected.items():
        given = state.get(name)
        if given is None and name.endswith("num_batches_tracked") and name not in state:
            continue
        if not isinstance(given, Tensor):
            return f"{name} is {'missing' if given is None else f'of type {type(given).__name__}, expected a tensor'}"
        if given.shape != wanted.shape:
            return f"{name} has the shape {tuple(given.shape)}, expected {tuple(wanted.shape)}"
        if not same_kind(given, wanted):
            return f"{name} has {_kind(given)}, expected {_kind(wanted)}"
    extra = next((name for name in state if name not in expected), None)
    return "" if extra is None else f"the network has no {one_line(extra, 100)}"


def not_finite(state: Mapping[Any, Any], expected: Mapping[str, Tensor]) -> str:
    """Return the first tensor that has a NaN or an infinity in the type of the expected one; empty if there is none."""
    names = (name for name, wanted in expected.items() if name in state and wanted.is_floating_point())
    return next((name for name in names if not is_finite(state[name].to(expected[name].dtype))), "")


def same_kind(given: Tensor, wanted: Tensor) -> bool:
    """Return whether two tensors have the same kind of numbers, which may differ in precision."""
    return _kind(given) == _kind(wanted)


def is_finite(values: Tensor) -> bool:
    """Return whether a tensor has no NaN and no infinity."""
    return bool(torch.isfinite(values).all())


def _kind(values: Tensor) -> str:
    if values.is_floating_point():
        return "floating-point numbers"
    return "truth values" if values.dtype == torch.bool else "integers"
