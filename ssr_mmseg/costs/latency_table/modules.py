"""The parts of a latency table as torch modules, ready for any profiling backend."""

import torch
from torch import Tensor, nn

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.costs.latency_table.parts import BlockPart, Part, feature_size
from ssr_mmseg.deploy.conv_rewrites import rounded
from ssr_mmseg.deploy.deployed_network import DeployedBlock, DeployedNetwork
from ssr_mmseg.deploy.logits import LogitsNetwork
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import DerivedBlock, SSRNet

REPEATS = 2  # pairs of blocks in a chain: entering and leaving it weighs less than in a single block


def network_of(genotype: Genotype, classes: int) -> LogitsNetwork:
    """The network of a genotype as it is profiled."""
    backbone = SSRNet(genotype.to_dict())
    head = AggregationHead(list(genotype.widths), num_classes=classes, align_corners=False)
    return LogitsNetwork(backbone, head)


def chain_of(part: BlockPart) -> nn.Sequential:
    """`REPEATS` times the block there and back: (B, narrow, H, W) → (B, narrow, H, W)."""
    blocks = [DerivedBlock(inputs, block, 0.0) for _ in range(REPEATS) for inputs, block in part.blocks()]
    return nn.Sequential(*blocks)


def deployed(chain: nn.Sequential, narrow: int, align: int) -> nn.Sequential:
    """A chain as it stands in a deployed network, its widths padded to multiples of `align`."""
    blocks, width, inputs = nn.Sequential(), narrow, rounded(narrow, align)
    for block in chain:
        assert isinstance(block, DerivedBlock)
        blocks.append(made := DeployedBlock(block, width, inputs, align, dynamic=False))
        width, inputs = block.operator.conv2.out_channels, made.outputs
    return blocks


def module_of(part: Part, classes: int, graph: str, align: int) -> nn.Module:
    """What is timed for a part, in eval mode, with weights from torch's generator: time hardly depends on them.

    Args:
        graph: `trained` or `deployed`, as profiles have it.
        align: multiple of channels that a deployed network's widths are padded to.
    """
    if isinstance(part, BlockPart):
        chain = chain_of(part).eval()
        return deployed(chain, part.narrow, align) if graph == "deployed" else chain
    network = network_of(part.genotype, classes).eval()
    return DeployedNetwork(network.backbone, network.head, align) if graph == "deployed" else network


def input_of(part: Part, size: tuple[int, int], align: int) -> Tensor:
    """A seeded batch of one for a part's module, for an input image of `size`."""
    channels, extent = 3, size
    if isinstance(part, BlockPart):
        channels, extent = rounded(part.narrow, align), feature_size(part.stage, size)
    return torch.randn(1, channels, *extent, generator=torch.Generator().manual_seed(0))


def runs_of(part: Part) -> int:
    """How many times the part is run by one run of its module."""
    return 2 * REPEATS if isinstance(part, BlockPart) else 1
