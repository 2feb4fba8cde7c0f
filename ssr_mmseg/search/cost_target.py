"""Keeping a search's target within reach: of what survives, some network must cost about what was asked for."""

from collections.abc import Mapping

import numpy as np
import torch

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import genotype_of
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.costs.base import TOLERANCE, Cost


@torch.no_grad()
def towards_target(architecture: ArchitectureParameters, choice: dict[str, np.ndarray], cost: Cost) -> list[dict]:
    """Let undecided groups take other survivors until the cost is within `TOLERANCE` of the target.

    Each step takes the change that gives up least probability (the logarithm of the ratio) for what it gains.

    Args:
        choice: The argmax, changed in place.

    Returns:
        The changes: gate, group and the option that it took.
    """
    space = architecture.space
    log_p = {gate: p.double().log().cpu().numpy() for gate, p in architecture.probabilities().items()}

    def beside(candidate: Mapping[str, np.ndarray]) -> float:
        return abs(cost.of(genotype_of(space, candidate)) / cost.target - 1)

    moved, distance = [], beside(choice)
    while distance > TOLERANCE:
        best: tuple[float, float, str, tuple, int] | None = None
        for gate, alive in architecture.alive.items():
            counts = alive.sum(dim=-1)
            for group in map(tuple, torch.nonzero(counts > 1).tolist()):
                if len(group) == 2 and choice["operator"][group[0]] != group[1]:
                    continue  # widths of an operator that is not taken
                for option in torch.nonzero(alive[group]).flatten().tolist():
                    changed = {**choice, gate: choice[gate].copy()}
                    changed[gate][group] = option
                    after = beside(changed)
                    if after < distance - 1e-9:
                        given_up = max(log_p[gate][group][choice[gate][group]] - log_p[gate][group][option], 0.0)
                        found = (given_up / (distance - after), after, gate, group, option)
                        best = found if best is None or found < best else best
        if best is None:
            break
        _, distance, gate, group, option = best
        choice[gate][group] = option
        moved.append({"gate": gate, "group": list(group), "option": option})
    return moved


def within_reach(architecture: ArchitectureParameters, cost: Cost) -> bool:
    """Whether the survivors can be chosen so that the network's cost is within `TOLERANCE` of the target."""
    choice = architecture.choice()
    towards_target(architecture, choice, cost)
    return abs(cost.of(genotype_of(architecture.space, choice)) / cost.target - 1) <= TOLERANCE


@torch.no_grad()
def shrink_within_reach(architecture: ArchitectureParameters, cost: Cost, threshold: float) -> int:
    """Shrink gate by gate; a gate whose dying options are all that keeps the target in reach waits for the next time.

    By then the cost has driven the gates elsewhere. A target that was out of reach before holds nothing up.

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


def _restore(architecture: ArchitectureParameters, kept: Mapping[str, torch.Tensor]) -> None:
    for name, alive in architecture.alive.items():
        alive.copy_(kept[name])
