"""Regularized evolution on a supernet trained by single paths (Real et al. 2019, arXiv 1802.01548; Guo et al. 2020)."""

from collections import deque

import numpy as np

from ssr_mmseg.architecture.genotype import Genotype, build_genotype, find_choice
from ssr_mmseg.search.selection.inherited_scores import InheritedScores
from ssr_mmseg.search.selection.neighbors import draw_neighbor
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector, check_range


@SELECTORS.register_module(name="evolution")
class Evolution(Selector):
    """Evolve networks of the target's cost, scored on val with the weights that they inherit.

    The oldest network of the population is replaced by a neighbor of the best of a random sample. It ends when the
    training of the supernet and all scores have taken as long as the search; at least two populations are scored.

    Args:
        population: Networks in the population, which starts with random ones.
        sample: Networks in the sample that a parent is chosen from.
        changes: Largest number of groups in which a child differs.
        near: Largest relative distance of a network's cost from the target.
    """

    supernet = "single_path"

    def __init__(self, population: int = 16, sample: int = 4, changes: int = 4, near: float = 0.02) -> None:
        check_range("evolution", "population", population, 2, whole=True)
        check_range("evolution", "sample", sample, 1, population, whole=True)
        check_range("evolution", "changes", changes, 1, whole=True)
        check_range("evolution", "near", near, 0, 1)
        self.population, self.sample, self.changes, self.near = population, sample, changes, near

    def select(self, task: SelectionTask) -> Genotype:
        scorer, generator = InheritedScores(task), task.generator()
        draws = task.draws(generator)
        population: deque[tuple[float, dict[str, np.ndarray]]] = deque()
        best: tuple[float, dict[str, np.ndarray]] | None = None
        scored = 0
        while scored < 2 * self.population or not scorer.exhausted:
            choice = None
            if len(population) >= self.population:
                picked = generator.choice(len(population), self.sample, replace=False)
                parent = max((population[index] for index in picked), key=lambda member: member[0])[1]
                choice = draw_neighbor(task, parent, generator, self.near, self.changes)
            if choice is None:
                choice = find_choice(task.space, task.draw_network(draws, self.near))
            member = scorer(choice), choice
            scored += 1
            best = member if best is None or member[0] > best[0] else best
            population.append(member)
            if len(population) > self.population:
                population.popleft()
        assert best is not None
        return build_genotype(task.space, best[1], f"evolution, seed {task.seed}")
