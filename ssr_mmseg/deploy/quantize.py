"""Post-training static quantization of an exported network to int8, by ONNX Runtime's quantizer."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.utils.extras import require

if TYPE_CHECKING:
    import onnx


def quantize(graph: "onnx.ModelProto", images: Tensor) -> "onnx.ModelProto":
    """Quantize weights per output channel and activations per tensor, with ranges from calibration images.

    Only convolutions and the operators between them are quantized: quantizing the pooled grids and the resizes of few
    channels would save no time and cost accuracy.

    Args:
        graph: An exported network for batches of N images.
        images: Calibration images (K, 3, H, W) of the graph's input size, used in batches of N; a remainder is dropped.
    """
    import onnx

    require("onnxruntime", "quantization")
    from onnxruntime import quantization

    batch = graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    batches = [part.numpy() for part in images.split(batch) if len(part) == batch]

    class Reader(quantization.CalibrationDataReader):
        """Iterate over the calibration images, batch by batch."""

        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            following: np.ndarray | None = next(self.left, None)
            return None if following is None else {onnx_export.INPUT: following}

    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # the quantizer logs advice to the root logger
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, prepared, target = (str(Path(folder) / name) for name in ("a.onnx", "b.onnx", "c.onnx"))
            onnx.save(graph, source)
            quantization.shape_inference.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                target,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Relu", "Add", "MaxPool", "Concat", "AveragePool"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
            return onnx.load(target)
    finally:
        logging.getLogger().setLevel(level)
