"""Families of networks: a search whose cost has a list of targets is one search per target.

A member stands where a dataset's name stands, as `streets@8ms`: the stages and rules of any search run it too. It reads
the data of its dataset; in tables its networks are `searched@8ms` and so on. Light, because the workflow imports it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

TARGETS = {"macs": ("target", ""), "latency": ("target_ms", "ms")}  # kind of cost: its target's key and unit in names
HOLD = 1000  # weight of the cost term of a search that is held to its target
OWN_SEARCH = ("searched", "random")  # the networks that each member has of its own


@dataclass(frozen=True)
class Member:
    """One target of a dataset's search: whose data it reads, and its change to that dataset's search."""

    dataset: str
    label: str
    search: dict

    @property
    def name(self) -> str:
        """What stands in a dataset's place: its @ keeps it apart from any dataset's name."""
        return f"{self.dataset}@{self.label}"


def members_of(dataset: str, cost: Mapping) -> list[Member]:
    """The members of a dataset's search, by the section `cost` that is in force for it; none for a single target."""
    key, unit = TARGETS[cost["kind"]]
    targets = cost[key]
    if not isinstance(targets, list):
        return []
    hold = hold_of(cost)
    return [Member(dataset, f"{target:.12g}{unit}", {"cost": {key: target, "hold": hold}}) for target in targets]


def hold_of(cost: Mapping) -> float | None:
    """Weight with which a search is held to its target, by its section `cost`; None for the paper's cost term.

    A single target of multiply-adds is the paper's, unless the section says `hold`.
    """
    paper = cost["kind"] == "macs" and not isinstance(cost["target"], list)
    return cost.get("hold", None if paper else HOLD)


def single(cost: Mapping) -> dict:
    """A section `cost` with its first target alone: what a cell of the ablation takes of a list."""
    keys = {key for key, _ in TARGETS.values()}
    first = {key: cost[key][0] for key in keys & set(cost) if isinstance(cost[key], list) and cost[key]}
    return {**cost, **first}


def place_of(dataset: str, network: str) -> tuple[str, str]:
    """Where the results of a table's network lie: what stands in the dataset's place, and the network's name there."""
    name, _, label = network.partition("@")
    return (f"{dataset}@{label}" if label else dataset), name
