"""A random network: the baseline that a search has to beat (Li and Talwalkar 2020, arXiv 1902.07638)."""

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector, check_range


@SELECTORS.register_module(name="random")
class RandomNetwork(Selector):
    """The first of random networks whose cost is near the target; see `Draws`.

    Args:
        near: Relative distance from the target that is near enough.
        draws: Largest number of draws, of which the nearest is taken if none is near enough.
    """

    def __init__(self, near: float = 0.01, draws: int = 2000) -> None:
        check_range("random", "near", near, 0, 1)
        check_range("random", "draws", draws, 1, whole=True)
        self.near, self.draws = near, draws

    def select(self, task: SelectionTask) -> Genotype:
        comment = f"random, seed {task.seed}" + (f", draw {task.draw}" if task.draw > 1 else "")
        return task.draw_network(task.draws(task.generator()), self.near, self.draws, comment)
