"""Decode heads: a light one for the search, and the aggregation of the derived network (method §2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssr_mmseg.models.losses import mean_over_processes
from ssr_mmseg.models.operators import PyramidPooling, conv_bn_relu, upsample, upsample_feature


@MODELS.register_module()
class SearchHead(BaseDecodeHead):
    """A 1×1 classifier on the last feature, trained on the labels at the centers of its cells.

    Shapes: the features of `SSRSupernet` → logits (B, num_classes, H/8, W/8).
    """

    def __init__(self, in_channels: int, **options) -> None:
        super().__init__(in_channels=in_channels, channels=in_channels, in_index=-1, dropout_ratio=0.0, **options)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.cls_seg(inputs[-1])

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        labels = self._stack_batch_gt(batch_data_samples)  # (B, 1, H, W)
        labels = F.interpolate(labels.float(), size=seg_logits.shape[2:], mode="nearest-exact").long().squeeze(1)
        shared = mean_over_processes(self.loss_decode, labels, self.ignore_index)
        loss = self.loss_decode(seg_logits, labels, ignore_index=self.ignore_index, **shared)
        return {"loss_ce": loss, "acc_seg": pixel_accuracy(seg_logits, labels, self.ignore_index)}


@MODELS.register_module()
class AggregationHead(BaseDecodeHead):
    """Head that joins context from the 1/8 feature with detail from the 1/4 and 1/2 features.

    Shapes: features (B, c₂, H/2, W/2), (B, c₄, H/4, W/4), (B, c₈, H/8, W/8) → logits (B, num_classes, H/4, W/4).

    Args:
        in_channels: (c₂, c₄, c₈).
        channels: Channels of the fused features.
        skip_channels: Channels of the detail branch.
        branch_channels: Channels of each pooled grid.
        dropout_ratio: Channel dropout after both fusions.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 128,
        skip_channels: int = 64,
        branch_channels: int = 40,
        dropout_ratio: float = 0.1,
        **options,
    ) -> None:
        super().__init__(
            in_channels=list(in_channels),
            channels=channels,
            in_index=[0, 1, 2],
            input_transform="multiple_select",
            dropout_ratio=0.0,  # the fusions have their own
            **options,
        )
        self.context = PyramidPooling(in_channels[2], channels, branch_channels, dropout_ratio)
        self.skip = conv_bn_relu(in_channels[0] + in_channels[1], skip_channels, 3)
        self.fuse = conv_bn_relu(channels + skip_channels, channels, 1, dropout_ratio)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        half, quarter, eighth = inputs
        context = upsample_feature(self.context(eighth), quarter.shape[2:])
        detail = self.skip(torch.cat([quarter, F.avg_pool2d(half, 2)], dim=1))
        return self.cls_seg(self.fuse(torch.cat([context, detail], dim=1)))

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        if self.sampler is not None:
            return super().loss_by_feat(seg_logits, batch_data_samples)
        labels = self._stack_batch_gt(batch_data_samples).squeeze(1)  # (B, H, W)
        logits = upsample(seg_logits, labels.shape[1:])
        losses = {"acc_seg": pixel_accuracy(logits, labels, self.ignore_index)}
        for term in self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]:
            shared = mean_over_processes(term, labels, self.ignore_index)
            name, value = str(term.loss_name), term(logits, labels, ignore_index=self.ignore_index, **shared)
            losses[name] = losses[name] + value if name in losses else value
        return losses


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Return the percentage of the labeled pixels for which no class has a higher logit than the label's.

    Equals mmseg's `accuracy` where no two logits of a pixel are equal, and takes a fraction of its time on a CPU, where
    `argmax` over the classes is slow. mmseg's masks of variable size would also synchronize with the GPU.

    Args:
        logits: (B, classes, H, W).
        labels: (B, H, W).
        ignore_index: Label of pixels that are not labeled.
    """
    labeled = labels != ignore_index
    possible = labeled & (labels < logits.shape[1])  # one logit for two classes has no second
    of_labels = logits.gather(1, (labels * possible).unsqueeze(1)).squeeze(1)
    correct = ((of_labels == logits.amax(dim=1)) & possible).sum()
    epsilon = torch.finfo(torch.float32).eps
    return (correct.float() + epsilon) * (100 / (labeled.sum().double() + epsilon)).float()
