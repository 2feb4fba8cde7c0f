"""The size of an experiment, in scenarios and jobs, from the lengths of a configuration's lists.

Every scenario is validated, and every job is planned and shown: a few lists of allowed lengths multiply to billions.
"""

import math
from collections.abc import Mapping
from typing import Any

from ssr_mmseg.settings.scenario import AXES, NO_VARIANT, supernet_kinds
from ssr_mmseg.utils.errors import UserError

MAX_SCENARIOS = 1000
MAX_JOBS = 100_000
PER_NETWORK = 4  # jobs: select, retrain, evaluate and profile


def check_extent(config: dict, origin: str) -> None:
    """Refuse a configuration of more scenarios or jobs than can be planned.

    Args:
        config: A validated configuration, whose overrides of single datasets need not be valid.
        origin: Its file, for the message.

    Raises:
        UserError: It has too many.
    """
    entries, ablation = config["datasets"].values(), config.get("ablation", {})
    searches = sum(_targets(config, entry) for entry in entries)
    cells = sum(math.prod(len(block.get(axis, NO_VARIANT)) for axis in AXES) for block in ablation.get("blocks", ()))
    supernets = len(supernet_kinds(config))  # each in one stage
    stages = 1 + max(_shrink_stages(config, entry) for entry in entries)
    networks = len(config["networks"]) + config["contest"]["ranking"]
    jobs = len(config["seeds"]) * searches * (stages + supernets + PER_NETWORK * networks)
    jobs += len(ablation.get("seeds", ())) * cells * (stages + PER_NETWORK)
    for count, most, what in (
        (searches * (1 + supernets) + cells, MAX_SCENARIOS, "searches"),
        (jobs, MAX_JOBS, "jobs"),
    ):
        if count > most:
            raise UserError(
                f"{origin}: datasets, cost targets, seeds, networks and ablation multiply to {count} {what}, expected "
                f"at most {most}; make these lists shorter, or split the experiment"
            )


def _search(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    overrides = entry.get("search")
    return overrides if isinstance(overrides, dict) else {}


def _targets(config: dict, entry: Mapping[str, Any]) -> int:
    """Return the most searches that a dataset may have: the number of targets of its cost, at least 1."""
    costs = (config["search"]["cost"], _search(entry).get("cost"))
    lists = [value for cost in costs if isinstance(cost, dict) for value in cost.values() if isinstance(value, list)]
    return max([1, *map(len, lists)])


def _shrink_stages(config: dict, entry: Mapping[str, Any]) -> int:
    """Return the most shrinking stages that a dataset's search may have."""
    value = _search(entry).get("shrink_stages")
    return max(config["search"]["shrink_stages"], value if type(value) is int else 0)
