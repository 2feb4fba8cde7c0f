"""Backend `onnxruntime`: an exported graph on ONNX Runtime's CPU or CUDA execution provider."""

import copy
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.profiling.backends.base import BACKENDS
from ssr_mmseg.profiling.backends.quantizing import QuantizingBackend
from ssr_mmseg.profiling.precision import DTYPES
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require

NUMPY = {torch.float32: np.float32, torch.float16: np.float16}


@BACKENDS.register_module(name="onnxruntime")
class OnnxRuntime(QuantizingBackend):
    """ONNX Runtime with all graph optimizations, torch's number of threads, and input and output bound once.

    Logits are stored as (N, H, W, classes) and returned as a view (N, classes, H, W), like those of a
    `torch.channels_last` network.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8", "tf32", "fp16")
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")
    align: ClassVar[int] = 16  # channels per step of its widest kernel (AVX-512)
    name: ClassVar[str] = "onnxruntime"

    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        super().__init__(model, device, precision)
        self.runtime: Any = require("onnxruntime", f"backend {self.name}")
        self.provider = self.choose_provider()
        if self.precision in ("tf32", "fp16") and device.type != "cuda":
            raise UserError(f"backend {self.name} needs CUDA for {self.precision}; choose fp32 or int8 on the CPU")
        if self.precision == "int8" and device.type != "cpu":
            raise UserError(f"backend {self.name} quantizes for the CPU only; choose fp16, or backend tensorrt")
        self.dtype = DTYPES.get(self.precision, torch.float32)
        self.model = model

    def choose_provider(self) -> str:
        """Return the name of the execution provider that runs the graph.

        Raises:
            UserError: The installed build of ONNX Runtime lacks it.
        """
        return self._available("CUDAExecutionProvider" if self.device.type == "cuda" else "CPUExecutionProvider")

    def _available(self, provider: str) -> str:
        if provider not in self.runtime.get_available_providers():
            raise UserError(
                f"backend {self.name} needs ONNX Runtime's {provider}, which the installed build lacks; "
                "run: pip uninstall -y onnxruntime && pip install onnxruntime-gpu"
            )
        return provider

    def provider_options(self) -> dict[str, Any]:
        """Return the options of the execution provider, by their names in ONNX Runtime."""
        if self.provider == "CPUExecutionProvider":
            return {}
        return {"device_id": 0, "use_tf32": int(self.precision == "tf32"), "cudnn_conv_algo_search": "EXHAUSTIVE"}

    def graph(self, images: Tensor) -> bytes:
        """Export a graph for batches of the shape of `images`, quantized if the precision is int8, and serialize it."""
        model = self.model if self.dtype == torch.float32 else _half(self.model)
        graph = onnx_export.export(model, images.to(self.dtype), user=f"backend {self.name}")
        if self.precision == "int8":
            graph = self.quantized(graph)
        self.nhwc = onnx_export.channels_last_output(graph)
        return graph.SerializeToString()

    def prepare(self, images: Tensor) -> None:
        graph = self.graph(images.cpu())
        options = self.runtime.SessionOptions()
        options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that keep spinning after a run take cores from whatever runs next: small networks run in turn took
        # five times as long as alone.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        providers = [(self.provider, self.provider_options())]
        self.session = self.runtime.InferenceSession(graph, options, providers=providers)
        ran = self.session.get_providers()[0]
        if ran != self.provider:
            raise UserError(
                f"backend {self.name}: expected to run on {self.provider}, but ONNX Runtime falls back to {ran}; "
                "check that the provider's libraries are installed"
            )
        # Binding torch tensors works alike on both devices and avoids a copy of the logits.
        self.images = images.to(self.device, self.dtype, memory_format=torch.contiguous_format, copy=True)
        shape = self.session.get_outputs()[0].shape
        self.logits = torch.empty(shape, dtype=self.dtype, device=self.device)
        self.binding = self.session.io_binding()
        bind = (self.device.type, 0, NUMPY[self.dtype])
        self.binding.bind_input(onnx_export.INPUT, *bind, list(self.images.shape), self.images.data_ptr())
        self.binding.bind_output(onnx_export.LOGITS, *bind, shape, self.logits.data_ptr())

    def load(self, images: Tensor) -> None:
        super().load(images)
        self.synchronize()  # the session uses its own CUDA stream

    def run(self) -> Tensor:
        self.session.run_with_iobinding(self.binding)
        return self.logits.permute(onnx_export.TO_NCHW) if self.nhwc else self.logits


def _half(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).half()
