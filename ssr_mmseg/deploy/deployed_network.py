"""Derived network rewritten for inference: the same function in fewer and wider operations.

Rewrites, which tests/deploy/test_deployed_network.py checks for equality in double precision:

- Batch norm is folded into convolutions; after the concatenation of a reduction block also into its pooled half.
- Widths are padded to multiples of `align` with channels that stay zero, so that runtimes that compute in blocks of
  channels (NCHWc) keep their layout from the stem to the head, without slices and pads between blocks.
- A 1×1 convolution over a concatenation is the sum of one per part and commutes with bilinear resizing: the pooled
  grids are projected on their few cells, the context at 1/8, and only sums are resized.
- Adaptive pooling and resizing of the grids are products with small matrices, one for all grids where possible.
- Resizing is by a constant factor if the size allows it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssr_mmseg.deploy.conv_rewrites import (
    diagonal_weight,
    fold_batch_norm,
    make_conv,
    pad_conv,
    pad_weight,
    round_up,
    scale_and_shift,
)
from ssr_mmseg.deploy.pooling_matrices import pooling_matrix, resizing_matrix
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import DerivedBlock, SSRNet
from ssr_mmseg.models.operators import POOL_GRIDS, PyramidPooling, ReductionBlock


class DeployedNetwork(nn.Module):
    """A trained `SSRNet` with its `AggregationHead`, from images (B, 3, H, W) to logits (B, classes, H, W).

    Args:
        backbone: Left unchanged.
        head: Left unchanged.
        align: Channels that the runtime computes at once, to whose multiples widths are padded; 1 adds none.
        dynamic: Accept any size that is a multiple of 8. Otherwise a network traced at a size whose 1/8 is even
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
                rewritten = DeployedReduction(reduction, widths[-1], align)
                self.reductions.append(rewritten)
                blocks, width, inputs = nn.Sequential(), reduction.bn.num_features, rewritten.outputs
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

    The halves are concatenated if both fill whole blocks of `align` channels; otherwise each is padded with zeros to
    the full width and they are added. Shapes: (B, inputs, H, W) → (B, outputs, H/2, W/2), with padded widths.
    """

    def __init__(self, block: ReductionBlock, inputs: int, align: int) -> None:
        super().__init__()
        convolved, pooled = block.conv.out_channels, block.conv.in_channels
        scale, shift = scale_and_shift(block.bn)
        assert block.conv.bias is not None
        weight = block.conv.weight * scale[:convolved, None, None, None]
        bias = block.conv.bias * scale[:convolved] + shift[:convolved]
        self.outputs = round_up(convolved + pooled, align)
        self.concatenated = convolved % align == 0 and pooled % align == 0 and inputs == pooled
        if self.concatenated:
            self.conv = make_conv(weight, bias, block.conv)
            self.pooled = make_conv(scale[convolved:, None, None, None], shift[convolved:], groups=pooled)
        else:
            self.conv = pad_conv(make_conv(weight, bias, block.conv), inputs, self.outputs)
            shifts = shift.new_zeros(self.outputs)
            shifts[convolved : convolved + pooled] = shift[convolved:]
            scales = pad_weight(diagonal_weight(scale[convolved:]), self.outputs, inputs, convolved)
            self.pooled = make_conv(scales, shifts)

    def forward(self, x: Tensor) -> Tensor:
        conv, pooled = self.conv(x), self.pooled(F.max_pool2d(x, 2))
        return torch.cat([F.relu(conv), F.relu(pooled)], dim=1) if self.concatenated else F.relu(conv + pooled)


class DeployedBlock(nn.Module):
    """ReLU(f(x) + x) with BN folded, between padded widths.

    If the block narrows, the residual's channels beyond its width are switched off before the ReLU, so that they are
    zero when a later block widens. Shapes: (B, inputs, H, W) → (B, outputs, H, W).
    """

    def __init__(self, block: DerivedBlock, width: int, inputs: int, align: int, dynamic: bool) -> None:
        super().__init__()
        operator, out = block.operator, block.operator.conv2.out_channels
        self.resolution, self.dynamic = block.resolution, dynamic
        self.inputs, self.outputs = inputs, round_up(out, align)
        mid = round_up(operator.mid, align)
        beyond = range(out, min(width, self.outputs))
        self.conv1 = pad_conv(fold_batch_norm(operator.conv1, operator.bn1), inputs, mid)
        self.conv2 = pad_conv(fold_batch_norm(operator.conv2, operator.bn2), mid, self.outputs, beyond)

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
    """`PyramidPooling` before its ReLU: direct(x) + Σ_g resize(Mᵍ · pool_g(x)).

    Mᵍ is the projection of a branch times its columns of the 1×1 convolution over all branches; `direct` has the
    columns of the feature itself, and all biases. Shapes: (B, inputs, H, W) → (B, channels, H, W).
    """

    def __init__(self, pooling: PyramidPooling, inputs: int) -> None:
        super().__init__()
        fuse = fold_batch_norm(pooling.fuse[0], pooling.fuse[1])
        weight = fuse.weight.flatten(1)  # (channels, grids · branch + width)
        matrices, bias, first = [], fuse.bias, 0
        assert bias is not None
        for branch in pooling.branches:
            assert isinstance(branch, nn.Sequential)
            projection = fold_batch_norm(branch[1], branch[2])
            share = weight[:, first : first + projection.out_channels]
            first += projection.out_channels
            assert projection.bias is not None
            matrix = share @ projection.weight.flatten(1)
            matrices.append(pad_weight(matrix[:, :, None, None], matrix.shape[0], inputs).flatten(1))
            bias = bias + share @ projection.bias
        self.matrices = nn.ParameterList(nn.Parameter(matrix, requires_grad=False) for matrix in matrices)
        direct = weight[:, first:, None, None]  # (channels, width, 1, 1)
        self.direct = make_conv(pad_weight(direct, direct.shape[0], inputs), bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows = pooling_matrix(height, POOL_GRIDS, x) @ x  # (B, inputs, Σ grids, W)
        pools = pooling_matrix(width, POOL_GRIDS, x).T.split(POOL_GRIDS, dim=1)  # (W, grid) each
        spreads = resizing_matrix(width, POOL_GRIDS, x).T.split(POOL_GRIDS)  # (grid, W) each
        parts = []
        for matrix, row, pool, spread in zip(self.matrices, rows.split(POOL_GRIDS, dim=2), pools, spreads, strict=True):
            cells = row @ pool  # (B, inputs, grid, grid)
            mixed = (matrix @ cells.flatten(2)).unflatten(2, (cells.shape[2], cells.shape[3]))
            parts.append(mixed @ spread)  # (B, channels, grid, W)
        columns = resizing_matrix(height, POOL_GRIDS, x)  # (H, Σ grids)
        return self.direct(x) + columns @ torch.cat(parts, dim=2)


class DeployedHead(nn.Module):
    """`AggregationHead` with each 1×1 convolution applied at the lowest resolution of its input.

    Shapes: features at 1/2, 1/4 and 1/8, with padded `widths`, → logits (B, classes, H/4, W/4).
    """

    def __init__(self, head: AggregationHead, widths: Sequence[int]) -> None:
        super().__init__()
        self.context = DeployedGrids(head.context, widths[2])
        skip = fold_batch_norm(head.skip[0], head.skip[1])
        fuse = fold_batch_norm(head.fuse[0], head.fuse[1])
        detail = skip.out_channels
        quarter = head.in_channels[1]
        weights = skip.weight[:, :quarter], skip.weight[:, quarter:]
        self.skip_quarter = make_conv(pad_weight(weights[0], detail, widths[1]), skip.bias, skip)
        self.skip_half = make_conv(pad_weight(weights[1], detail, widths[0]), None, skip)
        channels = fuse.in_channels - detail
        self.fuse_context = make_conv(fuse.weight[:, :channels], None)
        self.fuse_detail = make_conv(fuse.weight[:, channels:], fuse.bias)
        self.classify = make_conv(head.conv_seg.weight, head.conv_seg.bias)

    def forward(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> Tensor:
        context = self.fuse_context(F.relu(self.context(eighth)))
        detail = F.relu(self.skip_quarter(quarter) + self.skip_half(F.avg_pool2d(half, 2)))
        context = F.interpolate(context, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.classify(F.relu(self.fuse_detail(detail) + context))


def enlarge(x: Tensor, factor: int, like: Tensor, dynamic: bool) -> Tensor:
    """Resize (B, C, h, w) bilinearly to the size of `like`, of which h and w are 1/`factor`, rounded down."""
    height, width = like.shape[2:]
    if not dynamic and height % factor == 0 and width % factor == 0:
        return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
