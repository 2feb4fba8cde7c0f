"""Checks of the parts of a training's state that torch and mmengine take over as they are.

They raise `ValueError`, which `state_needed` makes a message of.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer

LARGEST = 1e30  # of a setting: computing with larger ones exceeds 32-bit numbers, which is an error in torch


def natural(value: Any, name: str, most: int) -> int:
    """Return an integer from 0 to `most`.

    Raises:
        ValueError: The value is another one.
    """
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name} {str(value)[:40]}, expected an integer from 0 to {most}")
    return value


def duration(value: Any) -> float:
    """Return a number of seconds.

    Raises:
        ValueError: The value is none.
    """
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError(f"the time {str(value)[:40]}, expected seconds")
    return float(value)


def check_kinds(given: Any, expected: Mapping[str, Any], where: str) -> None:
    """Check that a mapping has no other keys than the expected one, and values of the same kinds.

    Raises:
        ValueError: It has.
    """
    for key, value in given.items():
        if key not in expected:
            raise ValueError(f"{where} has no {str(key)[:40]}")
        if not _alike(value, expected[key]):
            raise ValueError(f"{key} of {where} is {str(value)[:40]}, expected a value like {str(expected[key])[:40]}")


def check_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Check that a state fits an optimizer: the kinds of its settings, and the shapes of its tensors.

    Raises:
        ValueError: It does not.
    """
    shapes: dict[int, torch.Size] = {}
    for group, saved in zip(optimizer.param_groups, state["param_groups"], strict=True):
        settings = {key: value for key, value in group.items() if key != "params"}
        check_kinds({key: saved[key] for key in saved if key in settings}, settings, "the optimizer")
        shapes |= {index: p.shape for index, p in zip(saved["params"], group["params"], strict=True)}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if value is not None and not (torch.is_tensor(value) and value.shape in (shapes[index], ())):
                raise ValueError(f"{key} of parameter {index} is not a tensor of its shape or a number")


def _alike(given: Any, expected: Any) -> bool:
    if expected is None:  # a choice that the optimizer makes later
        return isinstance(given, bool | int | float | None)
    if isinstance(expected, list | tuple):
        if type(given) is not type(expected) or (isinstance(expected, tuple) and len(given) != len(expected)):
            return False
        return not expected or all(any(_alike(value, like) for like in expected) for value in given)
    if _is_number(expected):
        return _is_number(given) and (bool(abs(given) <= LARGEST) or bool(given == expected))
    if isinstance(expected, str | bool):
        return bool(given == expected)
    return isinstance(given, type(expected))


def _is_number(value: Any) -> bool:
    single = torch.is_tensor(value) and value.numel() == 1
    return single or (isinstance(value, int | float) and not isinstance(value, bool))
