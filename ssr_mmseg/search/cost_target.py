"""Keep the cost target reachable: a network among the surviving options must cost within `TOLERANCE` of the target."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs.base import TOLERANCE, Cost

FEW = 32  # options to remove at which each is tried, which takes a time that grows with the square of their number


@torch.no_grad()
def towards_target(architecture: ArchitectureParameters, choice: dict[str, np.ndarray], cost: Cost) -> list[dict]:
    """Change the choice of undecided groups until the cost is within `TOLERANCE` of the target.

    Each step makes the change with the least loss of probability (the logarithm of the ratio) per gain in cost.

    Args:
        choice: The most probable options; changed in place.

    Returns:
        The changes: gate, group and new option.
    """
    log_p = _log_probabilities(architecture)
    return approach_target(architecture.space, log_p, choice, cost.of, cost.target, TOLERANCE)


def approach_target(
    space: SearchSpace,
    values: Mapping[str, np.ndarray],
    choice: dict[str, np.ndarray],
    measure: Callable[[Genotype], float],
    target: float,
    tolerance: float,
) -> list[dict]:
    """Change a choice step by step until its cost is within a tolerance of the target, or no change brings it nearer.

    Each step makes the change with the least loss of value per gain in cost.

    Args:
        values: Value of every option by gate, (*groups, options); −∞ for one that may not be chosen.
        choice: The options with the largest values; changed in place.
        measure: Returns the cost of a network.
        tolerance: Relative distance from the target.

    Returns:
        The changes: gate, group and new option.
    """

    def miss(candidate: Mapping[str, np.ndarray]) -> float:
        return abs(measure(build_genotype(space, candidate)) / target - 1)

    moved, distance = [], miss(choice)
    while distance > tolerance:
        best: tuple[float, float, str, tuple, int] | None = None
        for gate, value in values.items():
            alive = np.isfinite(value)
            for group in map(tuple, np.argwhere(alive.sum(axis=-1) > 1).tolist()):
                if GATES[gate].parent == "operator" and choice["operator"][group[0]] != group[1]:
                    continue  # the groups of an operator that is not chosen
                for option in np.flatnonzero(alive[group]).tolist():
                    changed = {**choice, gate: choice[gate].copy()}
                    changed[gate][group] = option
                    after = miss(changed)
                    if after < distance - 1e-9:
                        given_up = max(value[group][choice[gate][group]] - value[group][option], 0.0)
                        candidate = (given_up / (distance - after), after, gate, group, option)
                        best = candidate if best is None or candidate < best else best
        if best is None:
            break
        _, distance, gate, group, option = best
        choice[gate][group] = option
        moved.append({"gate": gate, "group": list(group), "option": option})
    return moved


@torch.no_grad()
def within_reach(
    architecture: ArchitectureParameters, cost: Cost, forced: tuple[str, tuple[int, ...], int] | None = None
) -> bool:
    """Whether a network with a cost within `TOLERANCE` of the target is found among the survivors.

    Args:
        forced: Gate, group and option that the network must have.
    """
    choice = architecture.choice()
    log_p = _log_probabilities(architecture)
    if forced is not None:
        gate, group, option = forced
        _force(choice, log_p, gate, group, option)
        if GATES[gate].parent == "operator":
            _force(choice, log_p, "operator", group[:1], group[1])
    approach_target(architecture.space, log_p, choice, cost.of, cost.target, TOLERANCE)
    return abs(cost.of(build_genotype(architecture.space, choice)) / cost.target - 1) <= TOLERANCE


def _log_probabilities(architecture: ArchitectureParameters) -> dict[str, np.ndarray]:
    return {gate: p.double().log().cpu().numpy() for gate, p in architecture.probabilities().items()}


def _force(
    choice: dict[str, np.ndarray], values: dict[str, np.ndarray], gate: str, group: tuple[int, ...], option: int
) -> None:
    others = np.arange(values[gate].shape[-1]) != option
    values[gate][group][others] = -np.inf
    choice[gate][group] = option


@torch.no_grad()
def shrink_within_reach(architecture: ArchitectureParameters, cost: Cost, threshold: float) -> int:
    """Shrink, but keep the options of a group for now if removing them would make the target unreachable.

    Once few options are left, those that no network near the target has are removed, too. Otherwise a search may stay
    undecided for good: a group that mixes a cheap and an expensive option has the wanted cost on average, although
    neither option alone has. A target that is already unreachable keeps no option.

    Returns:
        The number of options removed.
    """
    before = _count(architecture)
    for gate in GATES:
        survivors = _copy(architecture)
        if not architecture.shrink(threshold, (gate,)) or within_reach(architecture, cost):
            continue
        shrunk = _copy(architecture)
        _restore(architecture, survivors)
        if within_reach(architecture, cost):
            _shrink_group_by_group(architecture, cost, gate, shrunk[gate])
        else:
            _restore(architecture, shrunk)
    remove_dead_ends(architecture, cost)
    return before - _count(architecture)


def _shrink_group_by_group(architecture: ArchitectureParameters, cost: Cost, gate: str, shrunk: torch.Tensor) -> None:
    """Take over the survivors `shrunk` of those groups that leave the target within reach."""
    alive = architecture.alive[gate]
    for group in map(tuple, torch.nonzero((alive != shrunk).any(dim=-1)).tolist()):
        survivors = _copy(architecture)
        alive[group] &= shrunk[group]
        architecture.remove_dependents()
        if not within_reach(architecture, cost):
            _restore(architecture, survivors)


@torch.no_grad()
def remove_dead_ends(architecture: ArchitectureParameters, cost: Cost) -> None:
    """Remove the options with which no network near the target is found; while more than `FEW` are left, do nothing.

    A group of which no option passes is left as it is.
    """
    changed = True
    while changed:
        changed = False
        for gate, alive in architecture.alive.items():
            for group in map(tuple, torch.nonzero(alive.sum(dim=-1) > 1).tolist()):
                if not alive[group].any() or _excess(architecture) > FEW:
                    continue  # the group was removed with an option of another one
                options = torch.nonzero(alive[group]).flatten().tolist()
                dead = [option for option in options if not within_reach(architecture, cost, (gate, group, option))]
                if 0 < len(dead) < len(options):
                    alive[group][dead] = False
                    architecture.remove_dependents()
                    changed = True


def _excess(architecture: ArchitectureParameters) -> int:
    """Options that are still to be removed: survivors minus groups."""
    return sum(int((alive.sum(dim=-1) - 1).clamp_min(0).sum()) for alive in architecture.alive.values())


def _count(architecture: ArchitectureParameters) -> int:
    return sum(architecture.options_alive().values())


def _copy(architecture: ArchitectureParameters) -> dict[str, torch.Tensor]:
    return {gate: alive.clone() for gate, alive in architecture.alive.items()}


def _restore(architecture: ArchitectureParameters, saved: Mapping[str, torch.Tensor]) -> None:
    for name, alive in architecture.alive.items():
        alive.copy_(saved[name])
