"""Building blocks that the supernet and the derived network have in common (method §2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn

from ssr_mmseg.models.batch_norm import scaled_batch_norm

EPSILON = 1e-3  # ε of every batch normalization
DROPOUT = (0.03, 0.3)  # channel dropout of the operators in stage 1 and in stage 2
POOL_GRIDS = (1, 2, 3, 6, 9)  # side lengths of the pooled grids


class ReductionBlock(nn.Module):
    """Halve the resolution: a 3×3 convolution of stride 2 concatenated with a 2×2 max-pool, then BN and ReLU.

    Shapes: (B, inputs, H, W) → (B, outputs, H/2, W/2), H and W even, outputs > inputs.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(scaled_batch_norm(self.bn, torch.cat([self.conv(x), F.max_pool2d(x, 2)], dim=1)))


class CandidateOperator(nn.Module):
    """3×1 convolution, BN, mid mask, ReLU, 1×3 convolution, BN, channel dropout.

    Pooling before it, upsampling after it and the residual are part of the block, which shares them among operators.

    Shapes: (B, inputs, h, w) → (B, outputs, h, w).
    """

    def __init__(self, inputs: int, mid: int, outputs: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.mid, self.dropout = mid, dropout
        self.conv1 = nn.Conv2d(inputs, mid, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
        self.bn1 = nn.BatchNorm2d(mid, eps=EPSILON)
        self.conv2 = nn.Conv2d(mid, outputs, (1, 3), padding=(0, dilation), dilation=(1, dilation))
        self.bn2 = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(
        self,
        x: Tensor,
        mid_scale: Tensor | None = None,
        out_scale: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Apply the operator.

        Args:
            mid_scale: Weights of the mid channels, (mid,).
            out_scale: Weights of the out channels, (outputs,).
            noise: Dropout factors, from `noise`; drawn here by default.
        """
        y = F.relu_(scaled_batch_norm(self.bn1, self.conv1(x), mid_scale))
        y = scaled_batch_norm(self.bn2, self.conv2(y), out_scale)
        noise = self.noise(len(y), y) if noise is None else noise
        return y if noise is None else y * noise

    def noise(self, images: int, like: Tensor) -> Tensor | None:
        """Draw channel dropout factors, (images, outputs, 1, 1), of `like`'s dtype and device; None without dropout.

        All data-parallel processes draw the factors of their common batch, and each uses those of its own images.
        """
        return draw_noise([self], images, like)[0]


def draw_noise(operators: Sequence[CandidateOperator], images: int, like: Tensor) -> list[Tensor | None]:
    """Draw `CandidateOperator.noise` for each operator of a block, in their order."""
    first = operators[0]
    if not first.training or first.dropout == 0:
        return [None] * len(operators)
    shape = (len(operators), images * dist.get_world_size(), first.bn2.num_features, 1, 1)
    noise = like.new_empty(shape)
    for row in noise:
        row.bernoulli_(1 - first.dropout)
    return list(noise.div_(1 - first.dropout)[:, dist.get_rank() * images :][:, :images])


def upsample(x: Tensor, size: torch.Size) -> Tensor:
    """Resize (B, C, h, w) bilinearly to (B, C, *size); autocast computes it in float32."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def upsample_feature(x: Tensor, size: torch.Size) -> Tensor:
    """Resize like `upsample`, in the precision of x: autocast would turn all that is added to it into float32."""
    if not torch.is_autocast_enabled(x.device.type):
        return upsample(x, size)
    with torch.autocast(x.device.type, enabled=False):
        return upsample(x, size)


def fit_channels(x: Tensor, channels: int) -> Tensor:
    """Return the first `channels` channels of (B, C, H, W), padded with zeros if C is smaller."""
    if x.shape[1] > channels:
        return x[:, :channels]
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1])) if x.shape[1] < channels else x


class PyramidPooling(nn.Module):
    """Pyramid pooling (PSP): pooled grids with a 1×1 convolution each, fused by another 1×1 convolution.

    Shapes: (B, inputs, H, W) → (B, channels, H, W).
    """

    def __init__(self, inputs: int, channels: int, branch_channels: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(grid),
                nn.Conv2d(inputs, branch_channels, 1, bias=False),
                nn.BatchNorm2d(branch_channels, eps=EPSILON),
            )
            for grid in POOL_GRIDS
        )
        self.fuse = conv_bn_relu(inputs + len(POOL_GRIDS) * branch_channels, channels, 1, dropout)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        return self.fuse(torch.cat([*(upsample_feature(branch(x), size) for branch in self.branches), x], dim=1))


def conv_bn_relu(inputs: int, outputs: int, kernel: int, dropout: float = 0.0) -> nn.Sequential:
    """Return a convolution without bias, BN, ReLU and, if not 0, channel dropout."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs, eps=EPSILON),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.Dropout2d(dropout)] if dropout else []))
