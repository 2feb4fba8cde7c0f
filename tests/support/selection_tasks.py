"""Selection tasks with known scores: an option's merit follows from its place, so the best network is known."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.search.selection.candidates import Candidates
from ssr_mmseg.search.selectors import SelectionTask
from ssr_mmseg.settings import paths

SPACE = SearchSpace.from_settings(settings.read_config(paths.PROJECT / settings.DEFAULTS)["search"])
MACS = partial(genotype_macs, classes=11, size=(96, 192))


def merit(genotype: Genotype) -> float:
    """Score of a network, at most 100: that of all blocks with dilation 2 and resolution 1."""
    blocks = [block for stage in genotype.stages for block in stage.blocks]
    return 100 * float(np.mean([(block.dilation == 2) + (block.resolution == 1) for block in blocks])) / 2


class KnownSupernet:
    """A supernet whose networks have the scores of `merit`; relaxed, it has the mean over its live operators."""

    def __init__(self, space: SearchSpace, seconds: float = 0.0) -> None:
        self.space, self.seconds = space, seconds
        self.architecture = ArchitectureParameters(space)
        self.scored = self.calibrated = 0

    def calibrate(self) -> None:
        self.calibrated += 1

    def score_network(self, choice: dict[str, np.ndarray]) -> float:
        self.scored += 1
        return merit(build_genotype(self.space, choice))

    def score(self) -> float:
        self.scored += 1
        merits = torch.tensor([(d == 2) + (r == 1) for d, r in self.space.operators], dtype=torch.float64)
        operators = self.architecture.alive["operator"]  # (blocks, operators)
        live = operators.any(dim=-1)
        means = (operators * merits).sum(dim=-1)[live] / operators.sum(dim=-1)[live]
        return float(50 * means.mean())


def task(
    target: float,
    seed: int = 1,
    draw: int = 1,
    budget: float = 0.0,
    train: Callable[[Genotype, float], tuple[float, float]] | None = None,
    supernet: KnownSupernet | None = None,
    candidates: Candidates | None = None,
) -> SelectionTask:
    """Return a task on the default space; a training takes 10 seconds and yields `merit`."""
    return SelectionTask(
        space=SPACE,
        target=target,
        measure=MACS,
        seed=seed,
        draw=draw,
        budget=budget,
        train=train or (lambda genotype, share: (merit(genotype), 10.0)),
        load_supernet=lambda: supernet or KnownSupernet(SPACE),
        candidates=candidates or Candidates(),
    )


def cost_of_a_draw(seed: int) -> float:
    """Return the multiply-adds of a uniform draw from the space."""
    return MACS(build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed))))
