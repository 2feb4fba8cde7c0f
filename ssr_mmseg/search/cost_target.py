"""Keep the cost target reachable: a network among the surviving options must cost within `TOLERANCE` of the target."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs.base import TOLERANCE, Cost


@torch.no_grad()
def towards_target(architecture: ArchitectureParameters, choice: dict[str, np.ndarray], cost: Cost) -> list[dict]:
    """Change the choice of undecided groups until the cost is within `TOLERANCE` of the target.

    Each step makes the change with the least loss of probability (the logarithm of the ratio) per gain in cost.

    Args:
        choice: The most probable options; changed in place.

    Returns:
        The changes: gate, group and new option.
    """
    log_p = {gate: p.double().log().cpu().numpy() for gate, p in architecture.probabilities().items()}
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


def within_reach(architecture: ArchitectureParameters, cost: Cost) -> bool:
    """Whether `towards_target` finds a network among the survivors with a cost within `TOLERANCE` of the target."""
    choice = architecture.choice()
    towards_target(architecture, choice, cost)
    return abs(cost.of(build_genotype(architecture.space, choice)) / cost.target - 1) <= TOLERANCE


@torch.no_grad()
def shrink_within_reach(architecture: ArchitectureParameters, cost: Cost, threshold: float) -> int:
    """Shrink gate by gate, but skip a gate this time if removing its options would make the target unreachable.

    Until the next time, the cost term changes its probabilities. A target that is already unreachable skips no gate.

    Returns:
        The number of options removed.
    """
    removed = 0
    for gate in GATES:
        before = {name: alive.clone() for name, alive in architecture.alive.items()}
        dead = architecture.shrink(threshold, (gate,))
        if dead and not within_reach(architecture, cost):
            after = {name: alive.clone() for name, alive in architecture.alive.items()}
            _restore(architecture, before)
            if within_reach(architecture, cost):
                continue
            _restore(architecture, after)
        removed += dead
    return removed


def _restore(architecture: ArchitectureParameters, saved: Mapping[str, torch.Tensor]) -> None:
    for name, alive in architecture.alive.items():
        alive.copy_(saved[name])
