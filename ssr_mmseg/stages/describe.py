"""The commands `cost` and `space`: the cost of a network and the size of a search space, computed without data."""

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import extremes
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.deploy.logits import build_network
from ssr_mmseg.profiling import count_parameters


def network_cost(genotype: Genotype, classes: int, size: tuple[int, int]) -> dict:
    """Return the parameters and multiply-adds of a genotype's network with aggregation head, for an image of `size`.

    Raises:
        UserError: The height or the width is not a multiple of 8.
    """
    return {
        "params": count_parameters(build_network(genotype, classes)),
        "macs": genotype_macs(genotype, classes, size),
        "classes": classes,
        "size": list(size),
    }


def describe_space(space: SearchSpace, classes: int, size: tuple[int, int]) -> dict:
    """Return the size and gates of a space, and its cheapest and most expensive network with their cost at `size`."""
    networks = extremes(space, lambda genotype: genotype_macs(genotype, classes, size))
    described = {
        name: {**network_cost(genotype, classes, size), "genotype": genotype.to_dict()}
        for name, genotype in zip(("cheapest", "most_expensive"), networks, strict=True)
    }
    return {**space.describe(), **described}
