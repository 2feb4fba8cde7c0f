"""Scores of networks by the weights that they inherit from a trained supernet."""

from functools import partial

import numpy as np

from ssr_mmseg.architecture.genotype import build_genotype
from ssr_mmseg.search.selection.candidates import timed
from ssr_mmseg.search.selection.task import SelectionTask
from ssr_mmseg.utils.hashing import identity

REPEATS = 100  # networks in a row that have been scored before, after which a selection ends


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
