"""The parts of a latency table as torch modules, ready for any profiling backend."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssr_mmseg.derived import DerivedBlock, SSRNet
from ssr_mmseg.genotype import Genotype
from ssr_mmseg.heads import AggregationHead
from ssr_mmseg.latency.parts import BlockPart, Part, feature_size

REPEATS = 2  # pairs of blocks in a chain: entering and leaving it weighs less than in a single block


class Network(nn.Module):
    """The network of a genotype, from images (B, 3, H, W) to logits (B, classes, H, W), as it is profiled."""

    def __init__(self, genotype: Genotype, classes: int) -> None:
        super().__init__()
        self.backbone = SSRNet(genotype.to_dict())
        self.head = AggregationHead(list(self.backbone.widths), num_classes=classes, align_corners=False)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(self.backbone(images))
        return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def chain_of(part: BlockPart) -> nn.Sequential:
    """`REPEATS` times the block there and back: (B, narrow, H, W) → (B, narrow, H, W)."""
    blocks = [DerivedBlock(inputs, block, 0.0) for _ in range(REPEATS) for inputs, block in part.blocks()]
    return nn.Sequential(*blocks)


def module_of(part: Part, classes: int) -> nn.Module:
    """What is timed for a part, in eval mode, with weights from torch's generator: time hardly depends on them."""
    return (chain_of(part) if isinstance(part, BlockPart) else Network(part.genotype, classes)).eval()


def input_of(part: Part, size: tuple[int, int]) -> Tensor:
    """A seeded batch of one for a part's module, for an input image of `size`."""
    channels, extent = (part.narrow, feature_size(part.stage, size)) if isinstance(part, BlockPart) else (3, size)
    return torch.randn(1, channels, *extent, generator=torch.Generator().manual_seed(0))


def runs_of(part: Part) -> int:
    """How many times the part is run by one run of its module."""
    return 2 * REPEATS if isinstance(part, BlockPart) else 1
