"""The commands `cost` and `space`: what a network and a search space amount to, without data."""

from ssr_mmseg.architecture.genotype import Genotype, genotype_of
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.profiling import count_parameters


def network_cost(genotype: Genotype, classes: int, size: tuple[int, int]) -> dict:
    """Parameters and multiply-adds of a genotype's network with the aggregation, for one image of `size`.

    Raises:
        UserError: height or width is no multiple of 8.
    """
    backbone = SSRNet(genotype.to_dict())
    head = AggregationHead(list(backbone.widths), num_classes=classes, align_corners=False)
    return {
        "params": count_parameters(backbone) + count_parameters(head),
        "macs": genotype_macs(genotype, classes, size),
        "classes": classes,
        "size": list(size),
    }


def describe_space(space: SearchSpace, classes: int, size: tuple[int, int]) -> dict:
    """Size and gates of a space, and its cheapest and dearest network with their cost at `size`."""
    cheapest = {gate: space.allowed(gate).argmax(axis=-1) for gate in GATES}
    dearest = {gate: space.gate_shape(gate)[-1] - 1 - space.allowed(gate)[..., ::-1].argmax(axis=-1) for gate in GATES}
    # the operators do not ascend in cost: it falls with the resolution factor and does not depend on the dilation
    choices = space.allowed("operator")
    order = [resolution for _, resolution in space.operators]
    for index, allowed in enumerate(choices):
        options = [option for option, is_allowed in enumerate(allowed) if is_allowed]
        cheapest["operator"][index] = max(options, key=lambda option: order[option])
        dearest["operator"][index] = min(options, key=lambda option: order[option])
    networks = {name: genotype_of(space, choice) for name, choice in (("cheapest", cheapest), ("dearest", dearest))}
    extremes = {
        name: {**network_cost(genotype, classes, size), "genotype": genotype.to_dict()}
        for name, genotype in networks.items()
    }
    return {**space.describe(), **extremes}
