"""Backend `cuda_graphs`: the kernels of a run recorded once and launched together, so that Python is not waited for."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from ssr_mmseg.profiling.backends.base import needs_cuda, register
from ssr_mmseg.profiling.backends.channels_last import ChannelsLast

WARM_RUNS = 3  # before the recording: libraries allocate and choose algorithms in them


@register("cuda_graphs")
class CudaGraphs(ChannelsLast):
    """PyTorch's own kernels, channels last, replayed from a CUDA graph."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "tf32", "bf16", "fp16")

    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        needs_cuda("cuda_graphs", device)
        super().__init__(model, device, precision)

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> None:
        super().prepare(images)
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_RUNS):
                self.model(self.images)
        torch.cuda.current_stream(self.device).wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.logits = self.model(self.images)

    def run(self) -> Tensor:
        self.graph.replay()
        return self.logits
