"""Perturbation-based selection on a supernet searched without SSR (Wang et al. 2021, arXiv 2108.04392)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.search.cost_target import approach_target
from ssr_mmseg.search.selection.candidates import timed
from ssr_mmseg.search.selection.neighbors import active_groups
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector, check_range


@SELECTORS.register_module(name="darts_pt")
class PerturbationSelection(Selector):
    """Decide one group after the other for the option whose removal lowers the supernet's mIoU on val the most.

    Depths come first, then operators, then widths, in random order each. After every decision the statistics of the
    batch normalizations are measured again; the original trains the supernet for some epochs instead. It has no cost
    target, so at the end the options are exchanged that lose the least of this mIoU per gain in cost. It takes the time
    that it takes.

    Args:
        near: Largest relative distance of the network's cost from the target.
    """

    supernet = "relaxed"

    def __init__(self, near: float = 0.02) -> None:
        check_range("darts_pt", "near", near, 0, 1)
        self.near = near

    def select(self, task: SelectionTask) -> Genotype:
        supernet, generator = task.load_supernet(), task.generator()
        architecture = supernet.architecture
        values = {gate: np.full(task.space.gate_shape(gate), -np.inf) for gate in GATES}
        choice = architecture.choice()
        for gate, group in self._groups(task, architecture, generator):
            options = np.flatnonzero(architecture.alive[gate][group].cpu().numpy()).tolist()
            calibrated = False
            for option in options:

                def without(gate=gate, group=group, option=option) -> float:
                    nonlocal calibrated
                    if not calibrated:
                        supernet.calibrate()
                        calibrated = True
                    with removed(architecture, gate, group, option):
                        return supernet.score()

                score = task.candidates.score(_key(gate, group, option), timed(without))
                values[gate][group][option] = -score
            best = int(values[gate][group].argmax())
            choice[gate][group] = best
            decide(architecture, gate, group, best)
        for gate, value in values.items():  # groups of operators that were not chosen: one option each
            for group in map(tuple, np.argwhere(~np.isfinite(value).any(axis=-1)).tolist()):
                value[group][choice[gate][group]] = 0.0
        approach_target(task.space, values, choice, task.measure, task.target, self.near)
        return build_genotype(task.space, choice, f"darts_pt, seed {task.seed}")

    def _groups(
        self, task: SelectionTask, architecture: ArchitectureParameters, generator: np.random.Generator
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield gate and index of the groups to decide; those that depend on a decision only after it."""
        for level in (("depth",), ("operator",), ("mid_width", "out_width")):
            groups = [pair for pair in active_groups(task.space, architecture.choice()) if pair[0] in level]
            for index in generator.permutation(len(groups)):
                yield groups[index]


def _key(gate: str, group: tuple[int, ...], option: int) -> str:
    return f"without {gate} {' '.join(map(str, group))} option {option}"


@contextmanager
def removed(architecture: ArchitectureParameters, gate: str, group: tuple[int, ...], option: int) -> Iterator[None]:
    """Context in which an option of a group is dead, and no other group changes."""
    alive = architecture.alive[gate]
    with torch.no_grad():
        alive[group][option] = False
    try:
        yield
    finally:
        with torch.no_grad():
            alive[group][option] = True


@torch.no_grad()
def decide(architecture: ArchitectureParameters, gate: str, group: tuple[int, ...], option: int) -> None:
    """Remove all options of a group but one, and the groups that depend on them."""
    alive = architecture.alive[gate]
    alive[group].fill_(False)
    alive[group][option] = True
    architecture.remove_dependents()
