"""Derived network: the backbone that a genotype describes, trained from scratch (method §2, §7)."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssr_mmseg.architecture.genotype import Block, Genotype
from ssr_mmseg.architecture.search_space import STEM_CHANNELS
from ssr_mmseg.models.operators import DROPOUT, CandidateOperator, ReductionBlock, fit_channels, upsample_feature


class DerivedBlock(nn.Module):
    """y = ReLU(f(x) + x), with the residual on the leading channels that input and output have in common.

    Shapes: (B, inputs, H, W) → (B, block.out, H, W).
    """

    def __init__(self, inputs: int, block: Block, dropout: float) -> None:
        super().__init__()
        self.resolution = block.resolution
        self.operator = CandidateOperator(inputs, block.mid, block.out, block.dilation, dropout)

    def forward(self, x: Tensor) -> Tensor:
        if self.resolution == 1:
            y = self.operator(x)
        else:
            y = upsample_feature(self.operator(F.max_pool2d(x, self.resolution)), x.shape[2:])
        return F.relu(y + fit_channels(x, y.shape[1]))


@MODELS.register_module()
class SSRNet(BaseModule):
    """Backbone that a genotype describes.

    Shapes: (B, 3, H, W) → features at 1/2 (16 channels), 1/4 and 1/8 (the out width of each stage's last block).

    Args:
        genotype: Content of a genotype file (`Genotype.to_dict`), or its path.
        init_cfg: mmengine's initialization, such as `dict(type="Pretrained", checkpoint=PATH)`.
    """

    def __init__(self, genotype: dict | str, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.genotype = Genotype.read(genotype) if isinstance(genotype, str) else Genotype.from_dict(genotype)
        self.stem = ReductionBlock(3, STEM_CHANNELS)
        self.reductions, self.stages = nn.ModuleList(), nn.ModuleList()
        width = STEM_CHANNELS
        for stage, dropout in zip(self.genotype.stages, DROPOUT, strict=True):
            self.reductions.append(ReductionBlock(width, stage.channels))
            blocks, width = nn.Sequential(), stage.channels
            for block in stage.blocks:
                blocks.append(DerivedBlock(width, block, dropout))
                width = block.out
            self.stages.append(blocks)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the three features."""
        return self.genotype.widths

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = [self.stem(images)]
        for reduction, stage in zip(self.reductions, self.stages, strict=True):
            features.append(stage(reduction(features[-1])))
        return tuple(features)
