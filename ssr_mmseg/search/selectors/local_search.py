"""Local search on a supernet trained by single paths (White et al. 2021, arXiv 2005.02960)."""

import numpy as np

from ssr_mmseg.architecture.genotype import Genotype, build_genotype, find_choice
from ssr_mmseg.search.selection.inherited_scores import InheritedScores
from ssr_mmseg.search.selection.neighbors import draw_neighbor
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector, check_range


@SELECTORS.register_module(name="local_search")
class LocalSearch(Selector):
    """Move to the first better neighbor, and start again from a random network if there seems to be none.

    Networks have the target's cost and are scored as by `Evolution`, for the same time but at least `least` of them:
    with 128 it finds better networks than with 32, see docs/contest.md.

    Args:
        neighbors: Neighbors without a better one among them after which the search starts again.
        changes: Largest number of groups in which a neighbor differs.
        near: Largest relative distance of a network's cost from the target.
        least: Fewest networks scored.
    """

    supernet = "single_path"

    def __init__(self, neighbors: int = 16, changes: int = 3, near: float = 0.02, least: int = 128) -> None:
        check_range("local_search", "neighbors", neighbors, 1, whole=True)
        check_range("local_search", "changes", changes, 1, whole=True)
        check_range("local_search", "near", near, 0, 1)
        check_range("local_search", "least", least, 1, whole=True)
        self.neighbors, self.changes, self.near, self.least = neighbors, changes, near, least

    def select(self, task: SelectionTask) -> Genotype:
        scorer, generator = InheritedScores(task), task.generator()
        draws = task.draws(generator)
        best: tuple[float, dict[str, np.ndarray]] | None = None
        current: tuple[float, dict[str, np.ndarray]] | None = None
        scored = worse = 0
        while scored < self.least or not scorer.exhausted:
            choice = None
            if current is not None:
                choice = draw_neighbor(task, current[1], generator, self.near, self.changes)
            if choice is None:
                current, choice = None, find_choice(task.space, task.draw_network(draws, self.near))
            member = scorer(choice), choice
            scored += 1
            best = member if best is None or member[0] > best[0] else best
            if current is None or member[0] > current[0]:
                current, worse = member, 0
                continue
            worse += 1
            if worse >= self.neighbors:
                current, worse = None, 0
        assert best is not None
        return build_genotype(task.space, best[1], f"local search, seed {task.seed}")
