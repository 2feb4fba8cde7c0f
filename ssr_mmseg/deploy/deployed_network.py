"""The derived network rewritten for inference: the same function in fewer and wider steps.

What changes, and what tests/deploy/test_deployed_network.py holds equal in double precision:

- batch normalisation is folded into convolutions, behind a concatenation also into the pooled half of it;
- widths are padded to multiples of `align` with channels that stay zero, so that runtimes that compute in blocks of
  channels (NCHWc) keep their layout from the stem to the head: slices and pads between blocks disappear;
- a 1×1 convolution over a concatenation is the sum of one per part, and commutes with bilinear resizing: the pooled
  grids are projected on their few cells, the context at 1/8, and only sums are resized;
- adaptive pooling and resizing of the grids are products with small matrices, one for all grids where they meet;
- resizing is by a constant factor where the size allows it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssr_mmseg.deploy.conv_rewrites import convolution, diagonal, folded, padded, placed, rounded, scale_and_shift
from ssr_mmseg.deploy.pooling_matrices import pooling_matrix, resizing_matrix
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import DerivedBlock, SSRNet
from ssr_mmseg.models.operators import POOL_GRIDS, PyramidPooling, ReductionBlock


class DeployedNetwork(nn.Module):
    """A trained `SSRNet` with its `AggregationHead`, from images (B, 3, H, W) to logits (B, classes, H, W).

    Args:
        backbone: stays as it is.
        head: likewise.
        align: channels that the runtime takes at once; 1 adds none.
        dynamic: take any size that is a multiple of 8. Else a network that was traced at a size whose 1/8 is even
            resizes by constant factors, which is faster on some runtimes.
    """

    def __init__(self, backbone: SSRNet, head: AggregationHead, align: int = 1, dynamic: bool = False) -> None:
        super().__init__()
        with torch.no_grad():
            self.stem = DeployedReduction(backbone.stem, 3, align)
            self.reductions, self.stages = nn.ModuleList(), nn.ModuleList()
            widths = [self.stem.outputs]
            for reduction, stage in zip(backbone.reductions, backbone.stages, strict=True):
                assert isinstance(reduction, ReductionBlock)
                assert isinstance(stage, nn.Sequential)
                made = DeployedReduction(reduction, widths[-1], align)
                self.reductions.append(made)
                blocks, width, inputs = nn.Sequential(), reduction.bn.num_features, made.outputs
                for block in stage:
                    assert isinstance(block, DerivedBlock)
                    blocks.append(deployed := DeployedBlock(block, width, inputs, align, dynamic))
                    width, inputs = block.operator.conv2.out_channels, deployed.outputs
                self.stages.append(blocks)
                widths.append(inputs)
            self.head = DeployedHead(head, widths)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        half = self.stem(images)
        quarter = self.stages[0](self.reductions[0](half))
        eighth = self.stages[1](self.reductions[1](quarter))
        return F.interpolate(self.head(half, quarter, eighth), scale_factor=4.0, mode="bilinear", align_corners=False)


class DeployedReduction(nn.Module):
    """ReLU(BN([conv(x) ‖ pool(x)])) with BN folded into both halves.

    The halves are concatenated where both fill whole blocks of `align` channels, else added with zeros in the other's
    place. Shapes: (B, inputs, H, W) → (B, outputs, H/2, W/2), `inputs` and `outputs` padded widths.
    """

    def __init__(self, block: ReductionBlock, inputs: int, align: int) -> None:
        super().__init__()
        own, pooled = block.conv.out_channels, block.conv.in_channels
        scale, shift = scale_and_shift(block.bn)
        assert block.conv.bias is not None
        weight = block.conv.weight * scale[:own, None, None, None]
        bias = block.conv.bias * scale[:own] + shift[:own]
        self.outputs = rounded(own + pooled, align)
        self.concatenated = own % align == 0 and pooled % align == 0 and inputs == pooled
        if self.concatenated:
            self.conv = convolution(weight, bias, block.conv)
            self.pooled = convolution(scale[own:, None, None, None], shift[own:], groups=pooled)
        else:
            self.conv = padded(convolution(weight, bias, block.conv), inputs, self.outputs)
            shifts = shift.new_zeros(self.outputs)
            shifts[own : own + pooled] = shift[own:]
            self.pooled = convolution(placed(diagonal(scale[own:]), self.outputs, inputs, own), shifts)

    def forward(self, x: Tensor) -> Tensor:
        conv, pooled = self.conv(x), self.pooled(F.max_pool2d(x, 2))
        return torch.cat([F.relu(conv), F.relu(pooled)], dim=1) if self.concatenated else F.relu(conv + pooled)


class DeployedBlock(nn.Module):
    """ReLU(f(x) + x) with BN folded, between padded widths.

    Where the block narrows, the residual's channels beyond its width are switched off in front of the ReLU, so that
    they are zero again when a later block widens. Shapes: (B, inputs, H, W) → (B, outputs, H, W).
    """

    def __init__(self, block: DerivedBlock, width: int, inputs: int, align: int, dynamic: bool) -> None:
        super().__init__()
        operator, out = block.operator, block.operator.conv2.out_channels
        self.resolution, self.dynamic = block.resolution, dynamic
        self.inputs, self.outputs = inputs, rounded(out, align)
        mid = rounded(operator.mid, align)
        beyond = range(out, min(width, self.outputs))
        self.conv1 = padded(folded(operator.conv1, operator.bn1), inputs, mid)
        self.conv2 = padded(folded(operator.conv2, operator.bn2), mid, self.outputs, beyond)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.resolution == 1 else F.max_pool2d(x, self.resolution)
        y = self.conv2(F.relu(self.conv1(y)))
        if self.resolution > 1:
            y = enlarge(y, self.resolution, x, self.dynamic)
        if self.inputs > self.outputs:
            x = x[:, : self.outputs]
        elif self.inputs < self.outputs:
            x = F.pad(x, (0, 0, 0, 0, 0, self.outputs - self.inputs))
        return F.relu(y + x)


class DeployedGrids(nn.Module):
    """What the pooled grids add to the context: Σ_g resize(Mᵍ · pool_g(x)) + bias, Mᵍ a branch and its share of the
    1×1 convolution over all of them.

    Shapes: (B, inputs, H, W) → (B, channels, H, W).
    """

    def __init__(self, pooling: PyramidPooling, inputs: int) -> None:
        super().__init__()
        fuse = folded(pooling.fuse[0], pooling.fuse[1])
        weight = fuse.weight.flatten(1)  # (channels, grids · branch + width)
        matrices, bias, first = [], fuse.bias, 0
        assert bias is not None
        for branch in pooling.branches:
            assert isinstance(branch, nn.Sequential)
            projection = folded(branch[1], branch[2])
            share = weight[:, first : first + projection.out_channels]
            first += projection.out_channels
            assert projection.bias is not None
            matrix = share @ projection.weight.flatten(1)
            matrices.append(placed(matrix[:, :, None, None], matrix.shape[0], inputs).flatten(1))
            bias = bias + share @ projection.bias
        self.matrices = nn.ParameterList(nn.Parameter(matrix, requires_grad=False) for matrix in matrices)
        own = weight[:, first:, None, None]  # what the 1×1 convolution makes of the feature itself
        self.direct = convolution(placed(own, own.shape[0], inputs), bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows = pooling_matrix(height, POOL_GRIDS, x) @ x  # (B, inputs, Σ grids, W)
        pools = pooling_matrix(width, POOL_GRIDS, x).T.split(POOL_GRIDS, dim=1)  # (W, grid) of each
        spreads = resizing_matrix(width, POOL_GRIDS, x).T.split(POOL_GRIDS)  # (grid, W) of each
        parts = []
        for matrix, row, pool, spread in zip(self.matrices, rows.split(POOL_GRIDS, dim=2), pools, spreads, strict=True):
            cells = row @ pool  # (B, inputs, grid, grid)
            mixed = (matrix @ cells.flatten(2)).unflatten(2, (cells.shape[2], cells.shape[3]))
            parts.append(mixed @ spread)  # (B, channels, grid, W)
        columns = resizing_matrix(height, POOL_GRIDS, x)  # (H, Σ grids)
        return self.direct(x) + columns @ torch.cat(parts, dim=2)


class DeployedHead(nn.Module):
    """`AggregationHead` with each 1×1 convolution at the lowest resolution of its input.

    Shapes: features at 1/2, 1/4 and 1/8, of the padded `widths`, → logits (B, classes, H/4, W/4).
    """

    def __init__(self, head: AggregationHead, widths: Sequence[int]) -> None:
        super().__init__()
        self.context = DeployedGrids(head.context, widths[2])
        skip = folded(head.skip[0], head.skip[1])
        fuse = folded(head.fuse[0], head.fuse[1])
        detail = skip.out_channels
        quarter = head.in_channels[1]
        weights = skip.weight[:, :quarter], skip.weight[:, quarter:]
        self.skip_quarter = convolution(placed(weights[0], detail, widths[1]), skip.bias, skip)
        self.skip_half = convolution(placed(weights[1], detail, widths[0]), None, skip)
        channels = fuse.in_channels - detail
        self.fuse_context = convolution(fuse.weight[:, :channels], None)
        self.fuse_detail = convolution(fuse.weight[:, channels:], fuse.bias)
        self.classify = convolution(head.conv_seg.weight, head.conv_seg.bias)

    def forward(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> Tensor:
        context = self.fuse_context(F.relu(self.context(eighth)))
        detail = F.relu(self.skip_quarter(quarter) + self.skip_half(F.avg_pool2d(half, 2)))
        context = F.interpolate(context, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.classify(F.relu(self.fuse_detail(detail) + context))


def enlarge(x: Tensor, factor: int, like: Tensor, dynamic: bool) -> Tensor:
    """Bilinear resize of (B, C, h, w) to the height and width of `like`, which `factor` once reduced, rounding down."""
    height, width = like.shape[2:]
    if not dynamic and height % factor == 0 and width % factor == 0:
        return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
