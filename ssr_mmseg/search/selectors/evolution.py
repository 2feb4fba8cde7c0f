"""Regularized evolution on a supernet trained by single paths (Real et al. 2019, arXiv 1802.01548; Guo et al. 2020)."""

from collections import deque
from functools import partial

import numpy as np

from ssr_mmseg.architecture.genotype import Genotype, build_genotype, find_choice
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector, check_range
from ssr_mmseg.search.selectors.candidates import timed
from ssr_mmseg.search.selectors.neighbors import draw_neighbor
from ssr_mmseg.utils.hashing import identity

REPEATS = 100  # networks in a row that have been scored before, after which a selection ends


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
        check_range("evolution", "population", population, 2)
        check_range("evolution", "sample", sample, 1, population)
        check_range("evolution", "changes", changes, 1)
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


class InheritedScores:
    """Scores of networks by the weights that they inherit from the task's supernet, within the task's time.

    Attributes:
        seconds: Training time of the supernet and time of the scores used so far, with those of an earlier run.
        repeats: Number of networks since the last new one.
    """

    def __init__(self, task: SelectionTask) -> None:
        self.task = task
        self.supernet = task.load_supernet()
        self.seconds = self.supernet.seconds
        self.repeats = 0
        self._scored: set[str] = set()

    @property
    def exhausted(self) -> bool:
        """Whether the time is used up, or hardly another network of the cost is within reach."""
        return self.seconds >= self.task.budget or self.repeats >= REPEATS

    def __call__(self, choice: dict[str, np.ndarray]) -> float:
        """Return the mIoU of a network on val, in percent."""
        key = identity(build_genotype(self.task.space, choice).to_dict())
        score = self.task.candidates.score(key, timed(partial(self.supernet.score_network, choice)))
        self.repeats += 1
        if key not in self._scored:
            self.repeats = 0
            self._scored.add(key)
            self.seconds += self.task.candidates.seconds_of(key)
        return score
