"""Backend `cuda_graphs`: a run's kernels recorded once and launched together, without Python's overhead."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from ssr_mmseg.profiling.backends.base import BACKENDS, require_cuda
from ssr_mmseg.profiling.backends.channels_last import ChannelsLast

WARM_RUNS = 3  # before recording, for libraries to allocate memory and choose algorithms


@BACKENDS.register_module(name="cuda_graphs")
class CudaGraphs(ChannelsLast):
    """PyTorch's kernels, channels last, replayed from a CUDA graph."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "tf32", "bf16", "fp16")

    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        require_cuda("cuda_graphs", device)
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
