"""Networks with random values like those of a trained one, for the tests of deployment."""

import numpy as np
import torch
from torch import nn

from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.deploy.logits import LogitsNetwork, logits_network
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet

BLOCKS = ((1, 1), (2, 2), (4, 1), (1, 2))  # (dilation, resolution)


class Segmentor(nn.Module):
    """Stand-in for an mmseg segmentor, with the attributes that `logits_network` reads."""

    with_neck = False

    def __init__(self, backbone: nn.Module, decode_head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.decode_head = backbone, decode_head


def random_genotype(seed: int) -> Genotype:
    """Draw two stages of blocks that widen and narrow."""
    draw = np.random.default_rng(seed)

    def stage(channels: int, low: int) -> Stage:
        blocks = []
        for _ in range(draw.integers(2, 5)):
            mid, out = (int(width) for width in draw.integers(low, channels + 1, 2))
            blocks.append(Block(*BLOCKS[draw.integers(len(BLOCKS))], mid, out))
        return Stage(channels, tuple(blocks))

    return Genotype((stage(24, 10), stage(40, 18)))


def random_network(seed: int = 0, genotype: Genotype | None = None, classes: int = 5) -> LogitsNetwork:
    """Build a network from images to logits, in eval mode, with random parameters and batch statistics."""
    torch.manual_seed(seed)
    backbone = SSRNet((genotype or random_genotype(seed)).to_dict())
    options = {"channels": 20, "skip_channels": 12, "branch_channels": 6}
    head = AggregationHead(list(backbone.widths), num_classes=classes, align_corners=False, **options)
    network = logits_network(Segmentor(backbone, head)).eval()
    randomize(network, seed)
    return network


def small_genotype() -> Genotype:
    """Return a genotype of one narrowing block per stage, which is quick to export."""
    return Genotype((Stage(20, (Block(1, 2, 18, 16),)), Stage(24, (Block(2, 1, 20, 22),))))


def randomize(network: nn.Module, seed: int) -> None:
    """Draw batch norm statistics, scales and shifts, and the weights of the classifier, in place."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(-1.5, 1.5)
                module.bias.normal_(0, 0.3)
            elif name.endswith("conv_seg"):
                module.weight.normal_(0, 0.3)


def frames(seed: int, *shape: int) -> torch.Tensor:
    """Draw standard normal images (N, 3, H, W)."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def balance_classes(classifier: nn.Conv2d, logits: torch.Tensor) -> None:
    """Shift a classifier's bias, in place, so that no class wins on all pixels of its `logits` (N, classes, H, W)."""
    classifier.bias -= logits.mean(dim=(0, 2, 3))
