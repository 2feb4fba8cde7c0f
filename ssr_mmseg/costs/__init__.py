"""What a search can be asked to keep: one file per kind of cost, chosen by name.

To add one, put a file here that defines a `Cost`: its name is `search.cost.kind` in a configuration. Its settings go to
the schema beside the others, and the key of its target to `family.TARGETS`.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import Cost
from ssr_mmseg.settings.cost_targets import hold_of
from ssr_mmseg.utils.errors import UserError


def build_cost(
    cost: dict, space: SearchSpace, classes: int, size: Sequence[int], table: Path | str | None = None
) -> Cost:
    """The cost of the section `search.cost` of an experiment configuration.

    A target that the search is held to is checked to be in reach.

    Args:
        cost: The section, with a single target.
        classes: Number of classes.
        size: Height and width of the network's input.
        table: Latency table, for a kind that needs one.

    Raises:
        UserError: there is no such kind, it lacks a file, or no network of the space is near a target to hold.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name in ("macs", "latency"))
    if cost["kind"] not in known:
        raise UserError(f"unknown kind of cost {cost['kind']}; known are: {', '.join(known)}")
    module = importlib.import_module(f"{__name__}.{cost['kind']}")
    kinds = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Cost) and kind.__module__ == module.__name__
    ]
    built = kinds[0](cost, space, classes, (size[0], size[1]), table)
    built.hold = hold_of(cost)
    if built.hold is not None:
        built.check_reach()
    return built
