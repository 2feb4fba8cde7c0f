"""Backend `eager`: PyTorch as it is, one kernel after the other."""

import copy

import torch
from torch import Tensor, nn

from ssr_mmseg.profiling.backend import Backend, register


@register("eager")
class Eager(Backend):
    """The network in eval mode and float32, under `torch.inference_mode`, nothing fused or compiled."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        super().__init__(model, device)
        self.model = copy.deepcopy(model).to(device, torch.float32).eval()

    def prepare(self, images: Tensor) -> None:
        self.images = images.to(self.device, torch.float32)  # (N, 3, H, W)

    @torch.inference_mode()
    def run(self) -> Tensor:
        return self.model(self.images)
