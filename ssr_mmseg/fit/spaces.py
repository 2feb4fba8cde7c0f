"""Search spaces and input sizes that a plan chooses from."""

import math
from dataclasses import dataclass
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype, build_genotype, reference_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.parts import knots, smallest_network
from ssr_mmseg.settings import paths

SPACES = {"small": "config", "medium": "camvid", "large": "cityscapes"}  # shipped configurations whose space it is
SCALES = (1, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125)  # of the images' sides
STEP = 8  # sides are multiples of it, as the networks need
LEAST_SIDE = 64  # a network sees 1/16 of it
MOST_PIXELS = 1024 * 2048  # of an input


@dataclass(frozen=True)
class Space:
    """A search space of a shipped configuration.

    Attributes:
        name: A key of `SPACES`.
        value: The section `search.space`.
    """

    name: str
    value: dict[str, Any]

    @property
    def search_space(self) -> SearchSpace:
        """The space as the search uses it, with all dimensions searched."""
        return SearchSpace.from_dict(self.value)

    def extremes(self) -> tuple[Genotype, Genotype]:
        """Return a network that takes about the least time of the space, and the one of full depth and width."""
        space = self.search_space
        narrow = [knots(space, "out_width", stage, 2)[0] for stage in range(len(space.stages))]
        return smallest_network(space, narrow).genotype, build_genotype(space, reference_choice(space))


def read_spaces() -> list[Space]:
    """Return the spaces of the shipped configurations, the smallest first."""
    configs = {name: paths.PROJECT / f"config/{stem}.yaml" for name, stem in SPACES.items()}
    return [Space(name, settings.read_config(path)["search"]["space"]) for name, path in configs.items()]


def input_sizes(images: tuple[int, int]) -> list[tuple[int, int]]:
    """Return input sizes of the shape of the images, the largest first.

    Args:
        images: Height and width of most of the images, in pixels.
    """
    sizes = [(_multiple(images[0] * scale), _multiple(images[1] * scale)) for scale in SCALES]
    fitting = [size for size in sizes if min(size) >= LEAST_SIDE and math.prod(size) <= MOST_PIXELS]
    return list(dict.fromkeys(fitting)) or [(LEAST_SIDE, LEAST_SIDE)]


def _multiple(side: float) -> int:
    return max(STEP, int(side / STEP) * STEP)
