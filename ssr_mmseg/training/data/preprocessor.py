"""mmseg's preprocessing of a batch, with a shortcut for batches that are already one tensor on the device."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import GenerateEdge
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS
from torch import Tensor

from ssr_mmseg.datasets.transforms import IGNORED

MEAN = (123.675, 116.28, 103.53)  # of ImageNet's images, RGB, values from 0 to 255
STD = (58.395, 57.12, 57.375)


@MODELS.register_module()
class BatchPreProcessor(SegDataPreProcessor):
    """`SegDataPreProcessor` that normalizes a batch as a whole if its `inputs` are a tensor (B, 3, H, W).

    Such a batch, from a `ResidentLoader`, already has its final size and is not padded. It is returned channels-last,
    the layout that tensor cores run fastest.

    Args:
        mean: Mean of each channel, from 0 to 255; ImageNet's by default.
        std: Standard deviation of each channel.
        bgr_to_rgb: Whether to reverse the channels, which mmseg reads as BGR.
        size: Height and width that images are padded to; with neither this nor `size_divisor` to the largest ones of
            the batch.
        size_divisor: Divisor of both sides that images are padded to.
        options: Further arguments of `SegDataPreProcessor`.
    """

    def __init__(
        self,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        bgr_to_rgb: bool = True,
        size: tuple[int, int] | None = None,
        size_divisor: int | None = None,
        **options: Any,
    ) -> None:
        divisor = 1 if size is None and size_divisor is None else size_divisor
        options = {"seg_pad_val": IGNORED, **options}
        super().__init__(mean=mean, std=std, bgr_to_rgb=bgr_to_rgb, size=size, size_divisor=divisor, **options)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        inputs = data["inputs"]
        if not torch.is_tensor(inputs):
            return super().forward(data, training)
        data = self.cast_data(data)
        images = data["inputs"].float()
        if self._channel_conversion:
            images = images.flip(1)
        if self._enable_normalize:
            images = (images - self.mean) / self.std
        kind = images.device.type
        if torch.is_autocast_enabled(
            kind
        ):  # otherwise the max-pooled float32 image would promote the network to float32
            images = images.to(torch.get_autocast_dtype(kind))
        return {**data, "inputs": images.contiguous(memory_format=torch.channels_last)}


@MODELS.register_module()
class EdgePreProcessor(BatchPreProcessor):
    """`BatchPreProcessor` that adds the edges between classes (`gt_edge_map`) to the labels of a training batch.

    They are those of mmseg's transform `GenerateEdge`, computed on the CPU. Here they are part of the network that
    learns from them, PIDNet, so that all networks are trained with one pipeline.

    Args:
        edge_width: Width of the edges in pixels.
        options: Arguments of `BatchPreProcessor`.
    """

    def __init__(self, edge_width: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.generate = GenerateEdge(edge_width)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        data = super().forward(data, training)
        if training:
            for sample in data["data_samples"]:
                label = sample.gt_sem_seg.data
                seg_map = label.squeeze(0).cpu().numpy()
                edges = self.generate({"img_shape": seg_map.shape, "gt_seg_map": seg_map})["gt_edge_map"]
                sample.gt_edge_map = PixelData(data=torch.from_numpy(edges).unsqueeze(0).to(label))
        return data


def mean_color(preprocessor: SegDataPreProcessor) -> Tensor:
    """Return the color that becomes 0, in the channel order of the files (BGR): the fill of pixels outside an image."""
    if not preprocessor._enable_normalize:
        return torch.zeros(3)
    mean = preprocessor.mean.flatten()  # stays on its device, so that nothing synchronizes
    return mean.flip(0) if preprocessor._channel_conversion else mean
