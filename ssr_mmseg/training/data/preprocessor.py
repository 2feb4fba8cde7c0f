"""mmseg's preprocessing of a batch, with a short way for batches that are one tensor on the device already."""

from typing import Any

import torch
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS


@MODELS.register_module()
class BatchPreProcessor(SegDataPreProcessor):
    """`SegDataPreProcessor`, but a batch whose `inputs` are a tensor (B, 3, H, W) is normalised as a whole.

    Such a batch, from a `ResidentLoader`, has its final size: it is not padded. It comes out channels-last, which
    tensor cores want.
    """

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
        if torch.is_autocast_enabled(kind):  # else what is pooled from the image would keep the network in float32
            images = images.to(torch.get_autocast_dtype(kind))
        return {**data, "inputs": images.contiguous(memory_format=torch.channels_last)}
