"""Neighbors of a network: a few groups with other options, at about the same cost."""

from collections.abc import Mapping

import numpy as np

from ssr_mmseg.architecture.genotype import Choice, build_genotype
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.search.selection.task import SelectionTask

ATTEMPTS = 1000  # changes drawn before a random network is taken instead


def draw_neighbor(
    task: SelectionTask, choice: Choice, generator: np.random.Generator, near: float, changes: int
) -> dict[str, np.ndarray] | None:
    """Return a network that differs in one to `changes` groups, or None if none of many draws has the cost.

    Args:
        near: Largest relative distance of its cost from the target.
    """
    before = build_genotype(task.space, choice)
    allowed = {gate: task.space.allowed(gate) for gate in GATES}
    for _ in range(ATTEMPTS):
        changed = {gate: option.copy() for gate, option in choice.items()}
        for _ in range(generator.integers(1, changes + 1)):
            groups = active_groups(task.space, changed, allowed)
            gate, group = groups[generator.integers(len(groups))]
            changed[gate][group] = generator.choice(np.flatnonzero(allowed[gate][group]))
        network = build_genotype(task.space, changed)
        if network.stages != before.stages and task.distance(network) <= near:
            return changed
    return None


def active_groups(
    space: SearchSpace, choice: Mapping[str, np.ndarray], allowed: Mapping[str, np.ndarray] | None = None
) -> list[tuple[str, tuple[int, ...]]]:
    """Return gate and index of the groups with a choice that matter: not those of dropped blocks or other operators.

    Args:
        allowed: `space.allowed` of every gate, if it is at hand.
    """
    kept = [position <= choice["depth"][stage] for stage, position in space.blocks]
    groups: list[tuple[str, tuple[int, ...]]] = []
    for gate, definition in GATES.items():
        options = (space.allowed(gate) if allowed is None else allowed[gate]).sum(axis=-1)
        for group in map(tuple, np.argwhere(options > 1).tolist()):
            if definition.axes[0] == "block" and not kept[group[0]]:
                continue
            if definition.parent == "operator" and group[1] != choice["operator"][group[0]]:
                continue
            groups.append((gate, group))
    return groups
