"""mmseg's preprocessing of a batch, with a shortcut for batches that are already one tensor on the device."""

from typing import Any

import torch
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS


@MODELS.register_module()
class BatchPreProcessor(SegDataPreProcessor):
    """`SegDataPreProcessor` that normalizes a batch as a whole if its `inputs` are a tensor (B, 3, H, W).

    Such a batch, from a `ResidentLoader`, already has its final size and is not padded. It is returned channels-last,
    the layout that tensor cores run fastest.
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
        if torch.is_autocast_enabled(
            kind
        ):  # otherwise the max-pooled float32 image would promote the network to float32
            images = images.to(torch.get_autocast_dtype(kind))
        return {**data, "inputs": images.contiguous(memory_format=torch.channels_last)}
