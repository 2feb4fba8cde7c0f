"""Weights that a derived network inherits from the supernet in which it was found.

In the supernet an operator has an entry per option and tensors of the widest survivors; in the network, one operator of
its width remains. Channels keep their places, except after a stage whose last block is narrower than the stage: the
supernet's reduction block pads the missing channels with zeros, and the network's has a convolution for them instead
(method §2). There the supernet's zeros move from the end of the pooled channels to the end of the convolution's.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import STEM_CHANNELS, SearchSpace

NORM = ("weight", "bias", "running_mean", "running_var")


def inherited_weights(
    supernet: Mapping[str, Tensor], space: SearchSpace, genotype: Genotype, fresh: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the weights of a derived backbone, taken from those of a supernet whose gates are at that network.

    The network computes the function of the supernet with one-hot gates, unless the first stage is narrowed and a block
    of the second one is narrower than its stage: such a block keeps other channels than the supernet's.

    Args:
        supernet: State dict of `SSRSupernet`.
        space: Its search space.
        genotype: The network.
        fresh: State dict of `SSRNet` for that genotype, for channels that the supernet does not have any more.

    Returns:
        State dict of the backbone.

    Raises:
        KeyError: An operator of the genotype is not in the supernet.
    """
    result = {name: value.clone() for name, value in fresh.items()}

    def take(name: str, source: str, *places: Sequence[int]) -> None:
        """Copy the channels `places`, one list per leading axis, as far as the supernet has them."""
        target, given = result[name], supernet[source]
        here, there = [], []
        for axis, size in zip(places, given.shape, strict=False):
            kept = [(k, place) for k, place in enumerate(axis) if place < size]
            here.append(torch.tensor([k for k, _ in kept], dtype=torch.long))
            there.append(torch.tensor([place for _, place in kept], dtype=torch.long))
        ours, theirs = (torch.meshgrid(*axes, indexing="ij") for axes in (here, there))
        target[ours] = given[theirs].to(target)

    def take_norm(name: str, source: str, places: Sequence[int]) -> None:
        for part in NORM:
            take(f"{name}.{part}", f"{source}.{part}", places)

    width, inputs = STEM_CHANNELS, list(range(3))  # of the features so far; the supernet's channel of each of them
    take("stem.conv.weight", "stem.conv.weight", range(STEM_CHANNELS - 3), inputs)
    take("stem.conv.bias", "stem.conv.bias", range(STEM_CHANNELS - 3))
    take_norm("stem.bn", "stem.bn", range(STEM_CHANNELS))
    before = STEM_CHANNELS  # channels of the stage before, in the supernet
    previous = list(range(STEM_CHANNELS))
    for number, stage in enumerate(genotype.stages):
        convolved, added = stage.channels - before, before - width
        # the network's channels: those of the supernet's convolution, its zeros, its pooled channels
        pooled, zeros = range(convolved, convolved + width), range(stage.channels - added, stage.channels)
        order = [*range(convolved), *zeros, *pooled]
        name = f"reductions.{number}"
        result[f"{name}.conv.weight"][convolved:] = 0
        result[f"{name}.conv.bias"][convolved:] = 0
        take(f"{name}.conv.weight", f"{name}.conv.weight", range(convolved), previous)
        take(f"{name}.conv.bias", f"{name}.conv.bias", range(convolved))
        take_norm(f"{name}.bn", f"{name}.bn", order)
        width, before = stage.channels, stage.channels
        for index, block in enumerate(stage.blocks):
            name = f"stages.{number}.{index}.operator"
            option = space.operators.index((block.dilation, block.resolution))
            source = f"stages.{number}.{index}.operators.{option}"
            take(f"{name}.conv1.weight", f"{source}.conv1.weight", range(block.mid), order[:width])
            take(f"{name}.conv1.bias", f"{source}.conv1.bias", range(block.mid))
            take_norm(f"{name}.bn1", f"{source}.bn1", range(block.mid))
            take(f"{name}.conv2.weight", f"{source}.conv2.weight", order[: block.out], range(block.mid))
            take(f"{name}.conv2.bias", f"{source}.conv2.bias", order[: block.out])
            take_norm(f"{name}.bn2", f"{source}.bn2", order[: block.out])
            width = block.out
        previous = order[:width]
    return result
