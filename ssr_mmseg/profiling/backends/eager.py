"""Backend `eager`: plain PyTorch, one kernel after the other."""

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from ssr_mmseg.profiling.backends.base import BACKENDS, Backend
from ssr_mmseg.profiling.precision import DTYPES


@BACKENDS.register_module(name="eager")
class Eager(Backend):
    """The network in eval mode under `torch.inference_mode`, with nothing fused or compiled."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "tf32", "bf16", "fp16")
    default_graph: ClassVar[str] = "trained"
    memory_format: ClassVar[torch.memory_format] = torch.contiguous_format

    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        super().__init__(model, device, precision)
        self.dtype = DTYPES.get(self.precision, torch.float32)
        copied = copy.deepcopy(model).to(device, self.dtype).eval()
        self.model = copied.to(memory_format=self.memory_format)  # type: ignore[call-overload]

    def prepare(self, images: Tensor) -> None:
        # copied even if nothing changes, because `load` writes into it
        self.images = images.to(self.device, self.dtype, memory_format=self.memory_format, copy=True)  # (N, 3, H, W)

    @torch.inference_mode()
    def run(self) -> Tensor:
        return self.model(self.images)
