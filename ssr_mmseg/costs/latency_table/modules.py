"""Parts of a latency table as torch modules that any profiling backend can run."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ssr_mmseg.costs.latency_table.parts import BlockPart, Part, feature_size
from ssr_mmseg.deploy.conv_rewrites import round_up
from ssr_mmseg.deploy.deployed_network import DeployedBlock, DeployedNetwork
from ssr_mmseg.deploy.logits import build_network
from ssr_mmseg.models.derived_network import DerivedBlock

REPEATS = 2  # pairs of blocks in a chain, so that entering and leaving it counts less than for a single block


def build_chain(part: BlockPart) -> nn.Sequential:
    """Build a chain of `REPEATS` pairs of blocks, one widening and one narrowing: (B, narrow, H, W) to the same."""
    blocks = [DerivedBlock(inputs, block, 0.0) for _ in range(REPEATS) for inputs, block in part.blocks()]
    return nn.Sequential(*blocks)


def deploy_chain(chain: nn.Sequential, narrow: int, align: int) -> nn.Sequential:
    """Rewrite a chain as in a deployed network, with widths padded to multiples of `align`."""
    blocks, width, inputs = nn.Sequential(), narrow, round_up(narrow, align)
    for block in chain:
        assert isinstance(block, DerivedBlock)
        blocks.append(deployed := DeployedBlock(block, width, inputs, align, dynamic=False))
        width, inputs = block.operator.conv2.out_channels, deployed.outputs
    return blocks


def build_module(part: Part, classes: int, graph: str, align: int, head: Mapping[str, int] | None = None) -> nn.Module:
    """Build the module that is timed for a part, in eval mode, with random weights: they hardly affect its latency.

    Args:
        part: A block or a whole network.
        classes: Number of classes.
        graph: `trained` or `deployed`, as in profiles.
        align: Number of channels to whose multiples a deployed network's widths are padded.
        head: Widths of a network's head.
    """
    if isinstance(part, BlockPart):
        chain = build_chain(part).eval()
        return deploy_chain(chain, part.narrow, align) if graph == "deployed" else chain
    network = build_network(part.genotype, classes, head).eval()
    return DeployedNetwork(network.backbone, network.head, align) if graph == "deployed" else network


def make_input(part: Part, size: tuple[int, int], align: int) -> Tensor:
    """Draw a seeded batch of one, (1, C, H, W), for a part's module and an input image of `size`."""
    channels, extent = 3, size
    if isinstance(part, BlockPart):
        channels, extent = round_up(part.narrow, align), feature_size(part.stage, size)
    return torch.randn(1, channels, *extent, generator=torch.Generator().manual_seed(0))


def runs_per_module(part: Part) -> int:
    """Return how many times one run of a part's module runs the part."""
    return 2 * REPEATS if isinstance(part, BlockPart) else 1
