"""Random search: the best of several random networks after a short training (Li and Talwalkar 2020)."""

from functools import partial

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.search.selectors.base import SELECTORS, SelectionTask, Selector, check_range
from ssr_mmseg.utils.hashing import identity


@SELECTORS.register_module(name="random_search")
class RandomSearch(Selector):
    """Train random networks of the target's cost for as long as the search took, and take the best on val.

    Another network is trained as long as the time left is at least half of what the last one took, so that the whole
    time is that of the search on average; there are always two.

    Args:
        epochs: Share of the epochs of a retraining that each network is trained for.
        near: Relative distance from the target that is near enough.
    """

    trains = True

    def __init__(self, epochs: float = 0.25, near: float = 0.01) -> None:
        check_range("random_search", "epochs", epochs, 0.001, 1)
        check_range("random_search", "near", near, 0, 1)
        self.epochs, self.near = epochs, near

    def select(self, task: SelectionTask) -> Genotype:
        draws = task.draws(task.generator())
        scores: dict[str, tuple[float, Genotype]] = {}
        spent = last = 0.0
        while len(scores) < 2 or task.budget - spent >= last / 2:
            network = task.draw_network(draws, self.near, comment=f"random search, seed {task.seed}")
            key = identity(network.to_dict())
            if key in scores:
                break  # the space has hardly another network of this cost
            score = task.candidates.score(key, partial(task.train, network, self.epochs))
            scores[key] = score, network
            last = task.candidates.seconds_of(key)
            spent += last
        return max(scores.values(), key=lambda pair: pair[0])[1]
