"""Backend `compile`: PyTorch's compiler."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from ssr_mmseg.profiling.backends.base import BACKENDS
from ssr_mmseg.profiling.backends.channels_last import ChannelsLast
from ssr_mmseg.utils.devices import check_compiler
from ssr_mmseg.utils.errors import UserError


@BACKENDS.register_module(name="compile")
class Compiled(ChannelsLast):
    """`torch.compile` with the weights as constants, channels last; `prepare` takes about a minute."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "tf32", "bf16", "fp16")
    default_graph: ClassVar[str] = "deployed"

    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        super().__init__(model, device, precision)
        check_compiler(device.type, "backend compile")

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> None:
        super().prepare(images)
        torch._dynamo.reset()  # earlier networks would count towards the recompilation limit
        self.compiled = torch.compile(self.model, fullgraph=True, dynamic=False, options={"freezing": True})
        try:
            self.compiled(self.images)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # the compiler raises many types, with messages of many lines
            problem = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UserError(f"backend compile cannot compile the network: {problem}; choose another backend") from error

    @torch.inference_mode()
    def run(self) -> Tensor:
        return self.compiled(self.images)
