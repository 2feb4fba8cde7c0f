"""Backend `channels_last`: PyTorch as it is, with the channels of a pixel beside each other in memory (NHWC)."""

from typing import ClassVar

import torch

from ssr_mmseg.profiling.backends.base import register
from ssr_mmseg.profiling.backends.eager import Eager


@register("channels_last")
class ChannelsLast(Eager):
    """As `eager`, weights and images in `torch.channels_last`."""

    memory_format: ClassVar[torch.memory_format] = torch.channels_last
