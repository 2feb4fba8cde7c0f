"""Targets of a search's cost: the key that has them, their unit, and the weight that holds a search to its target.

The section `search.cost` has exactly one key `target` or `target_<unit>`: a number, or a list with one per search.
"""

from collections.abc import Mapping
from typing import Any

from ssr_mmseg.utils.errors import UserError

HOLD = 1000  # weight of the cost term of a search that is held to its target


def target_key(cost: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key of the target and its unit: `target_ms` and `ms`, or `target` and an empty string.

    Raises:
        UserError: The section has no such key, or several.
    """
    keys = [key for key in cost if key == "target" or key.startswith("target_")]
    if len(keys) != 1:
        raise UserError(
            f"search.cost: expected exactly one key target or target_<unit>, such as target_ms, "
            f"found {', '.join(keys) or 'none'}"
        )
    return keys[0], keys[0].removeprefix("target").removeprefix("_")


def hold_of(cost: Mapping[str, Any]) -> float | None:
    """Return the weight that holds a search to its target; None for the paper's cost term.

    By default the term is the paper's for a single target of multiply-adds, and otherwise has the weight `HOLD`.
    """
    paper = cost["type"] == "macs" and not isinstance(cost["target"], list)
    return cost.get("hold", None if paper else HOLD)


def first_target(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the section with only the first of its targets."""
    key, _ = target_key(cost)
    targets = cost[key]
    return {**cost, key: targets[0]} if isinstance(targets, list) and targets else dict(cost)
