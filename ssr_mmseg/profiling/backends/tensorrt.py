"""Backend `tensorrt`: an exported graph compiled by TensorRT, through ONNX Runtime's execution provider."""

from typing import Any, ClassVar

from ssr_mmseg.profiling.backends.base import BACKENDS, require_cuda
from ssr_mmseg.profiling.backends.onnxruntime import OnnxRuntime


@BACKENDS.register_module(name="tensorrt")
class TensorRT(OnnxRuntime):
    """`onnxruntime` with the graph compiled for the present GPU; `prepare` takes minutes."""

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "tf32", "fp16")
    name: ClassVar[str] = "tensorrt"

    def choose_provider(self) -> str:
        require_cuda(self.name, self.device)
        return self._available("TensorrtExecutionProvider")

    def provider_options(self) -> dict[str, Any]:
        return {"device_id": 0, "trt_fp16_enable": self.precision == "fp16", "trt_cuda_graph_enable": True}
