"""Backend `channels_last`: eager PyTorch with the channels of each pixel adjacent in memory (NHWC)."""

from typing import ClassVar

import torch

from ssr_mmseg.profiling.backends.base import BACKENDS
from ssr_mmseg.profiling.backends.eager import Eager


@BACKENDS.register_module(name="channels_last")
class ChannelsLast(Eager):
    """`eager` with weights and images in `torch.channels_last`."""

    memory_format: ClassVar[torch.memory_format] = torch.channels_last
