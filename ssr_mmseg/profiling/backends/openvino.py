"""Backend `openvino`: an exported graph on OpenVINO's CPU plugin."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.split_resize import split_last_resize
from ssr_mmseg.profiling.backends.base import BACKENDS
from ssr_mmseg.profiling.backends.quantizing import QuantizingBackend
from ssr_mmseg.profiling.file_runs import openvino_settings
from ssr_mmseg.profiling.openvino_core import openvino_core
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require


@BACKENDS.register_module(name="openvino")
class OpenVino(QuantizingBackend):
    """OpenVINO with one stream tuned for latency, torch's number of threads, and preallocated images and logits.

    Logits are stored as (N, H, W, classes), as in backend `onnxruntime`.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16", "fp16", "int8")
    packages: ClassVar[tuple[str, ...]] = ("onnx", "openvino")
    align: ClassVar[int] = 16
    name: ClassVar[str] = "openvino"

    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        super().__init__(model, device, precision)
        self.library: Any = require("openvino", "backend openvino")
        if device.type != "cpu":
            raise UserError(f"backend openvino runs on the CPU, found device {device.type}; choose another backend")
        self.core = openvino_core()
        offered = self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision in ("bf16", "fp16") and self.precision.upper() not in offered:
            raise UserError(
                f"backend openvino: this processor does not compute in {self.precision}; choose fp32 or int8"
            )
        self.model = model

    def prepare(self, images: Tensor) -> None:
        graph = onnx_export.export(self.model, images.cpu(), user="backend openvino")
        if self.precision == "int8":
            graph = self.quantized(graph)
        nhwc = split_last_resize(graph)
        network = self.core.read_model(graph.SerializeToString(), b"")
        if not nhwc:
            steps = self.library.preprocess.PrePostProcessor(network)
            steps.output().model().set_layout(self.library.Layout("NCHW"))
            steps.output().tensor().set_layout(self.library.Layout("NHWC"))
            network = steps.build()
        settings = openvino_settings(torch.get_num_threads(), self.precision)
        compiled = self.core.compile_model(network, "CPU", settings)
        self.request = compiled.create_infer_request()
        self.images = images.to("cpu", torch.float32, memory_format=torch.contiguous_format, copy=True)
        self.request.set_input_tensor(self.library.Tensor(self.images.numpy(), shared_memory=True))
        self.output = np.empty(tuple(compiled.output(0).shape), np.float32)  # (N, H, W, classes)
        self.request.set_output_tensor(self.library.Tensor(self.output, shared_memory=True))

    def run(self) -> Tensor:
        self.request.infer()
        return torch.from_numpy(self.output).permute(onnx_export.TO_NCHW)
