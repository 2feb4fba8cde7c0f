"""Costs that a search can aim at, one file each.

To add one, put a file here with a `Cost` under `@COSTS.register_module(name=...)`; configurations then name it as
`search.cost.type`.
"""

from collections.abc import Sequence
from pathlib import Path

from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import COSTS, Cost
from ssr_mmseg.settings.cost_targets import hold_of
from ssr_mmseg.utils.registry import build, import_modules

__all__ = ["COSTS", "Cost", "build_cost"]

import_modules(__path__, __name__)


def build_cost(
    cost: dict, space: SearchSpace, classes: int, size: Sequence[int], table: Path | str | None = None
) -> Cost:
    """Build the cost of the section `search.cost` of an experiment configuration.

    If the search is held to its target, the target must be reachable.

    Args:
        cost: The section, with a single target.
        classes: Number of classes.
        size: Height and width of the network's input.
        table: Latency table, for a cost that needs one.

    Raises:
        UserError: The type or an argument is unknown, the latency table is missing or does not fit, or no network of
            the space is near a target to hold.
    """
    section = {**cost, "hold": hold_of(cost)}
    built: Cost = build(COSTS, section, "cost", space=space, classes=classes, size=(size[0], size[1]), table=table)
    if built.hold is not None:
        built.check_reach()
    return built
