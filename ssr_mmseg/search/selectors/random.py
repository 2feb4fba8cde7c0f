"""A random network: the baseline that a search has to beat (Li and Talwalkar 2020, arXiv 1902.07638)."""

from ssr_mmseg.architecture.genotype import Genotype, build_genotype, random_choice
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector


@SELECTORS.register_module(name="random")
class RandomNetwork(Selector):
    """Of `draws` uniform draws from the space, the one whose cost is nearest to the target.

    Args:
        draws: Number of draws, which cost nothing but the formula of the cost.
    """

    def __init__(self, draws: int = 2000) -> None:
        self.draws = draws

    def select(self, task: SelectionTask) -> Genotype:
        generator = task.generator()
        comment = f"random, seed {task.seed}" + (f", draw {task.draw}" if task.draw > 1 else "")
        drawn = [build_genotype(task.space, random_choice(task.space, generator), comment) for _ in range(self.draws)]
        return min(drawn, key=task.distance)
