"""Post-training static quantization of an exported network to int8, by ONNX Runtime's quantizer."""

import copy
import logging
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.average_pools import average_pools_to_convolutions
from ssr_mmseg.utils.extras import require

if TYPE_CHECKING:
    import onnx

# Convolutions and what is between them. Quantizing the pooled grids and the resizes of few channels would save no time,
# and the last resize is several times slower in int8 than in float32.
OPERATORS = ("Conv", "Relu", "Add", "MaxPool", "Concat", "AveragePool", "Slice", "Pad")


def quantize(graph: "onnx.ModelProto", images: Tensor, keep: Collection[str] = ()) -> "onnx.ModelProto":
    """Quantize weights per output channel and activations per tensor, with ranges from calibration images.

    Args:
        graph: An exported network for batches of N images, or of any number.
        images: Calibration images (K, 3, H, W) of the graph's input size; a remainder of K / N is dropped.
        keep: Names of the weights of layers that stay in float32, as in `CalibratedGraph.layers`.
    """
    return CalibratedGraph(graph, images).quantize(keep)


class CalibratedGraph:
    """An exported network with the range of each tensor on calibration images, to be quantized in one way or another.

    Attributes:
        layers: Names of the weights of its convolutions, in order; the same for a network exported at another size.

    Args:
        graph, images: See `quantize`.
    """

    def __init__(self, graph: "onnx.ModelProto", images: Tensor) -> None:
        import onnx

        require("onnxruntime", "quantization")
        from onnxruntime.quantization import calibrate, shape_inference

        batch = graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
        self.batches: list[np.ndarray] = [part.numpy() for part in images.split(batch) if len(part) == batch]

        class Reader(calibrate.CalibrationDataReader):
            """Iterate over the calibration images, batch by batch."""

            def __init__(self, batches: list[np.ndarray]) -> None:
                self.left = iter(batches)

            def get_next(self) -> dict[str, Any] | None:
                following = next(self.left, None)
                return None if following is None else {onnx_export.INPUT: following}

        with _quiet(), tempfile.TemporaryDirectory() as folder:
            source, prepared, augmented = (Path(folder) / name for name in ("a.onnx", "b.onnx", "c.onnx"))
            onnx.save(average_pools_to_convolutions(graph), source)
            shape_inference.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            self.graph = onnx.load(prepared)
            calibrator = calibrate.create_calibrator(
                prepared,
                OPERATORS,
                augmented_model_path=str(augmented),
                calibrate_method=calibrate.CalibrationMethod.MinMax,
            )
            calibrator.collect_data(Reader(self.batches))
            self.ranges = calibrator.compute_data()
        self._nodes = _nodes_by_layer(self.graph)
        self.layers = tuple(self._nodes)

    def quantize(self, keep: Collection[str] = ()) -> "onnx.ModelProto":
        """Return the quantized graph, in which the layers with the weights `keep` stay in float32.

        A layer is a convolution with the operators behind it, up to the next convolutions.
        """
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        with _quiet():
            quantizer = QDQQuantizer(
                copy.deepcopy(self.graph),
                True,  # weights per output channel
                False,  # of 8 bits
                QuantType.QInt8,
                QuantType.QUInt8,  # of activations, most of which are not negative
                self.ranges,
                [],
                sorted({node for layer, nodes in self._nodes.items() if layer in keep for node in nodes}),
                list(OPERATORS),
                {},
            )
            quantizer.quantize_model()
            quantizer.model.topological_sort()  # which the quantizer does when it saves a file
        quantized: onnx.ModelProto = quantizer.model.model
        onnx_export.drop_origins(quantized)  # with the quantizer's notes to itself
        return quantized


def _nodes_by_layer(graph: "onnx.ModelProto") -> dict[str, set[str]]:
    """Return, by the name of its weight, the names of each convolution and of the operators up to the next ones."""
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    layers = {}
    for convolution in graph.graph.node:
        if convolution.op_type != "Conv":
            continue
        names, left = {convolution.name}, list(convolution.output)
        while left:
            behind = [node for node in consumers.get(left.pop(), ()) if node.op_type != "Conv"]
            left += [output for node in behind if node.name not in names for output in node.output]
            names |= {node.name for node in behind}
        layers[convolution.input[1]] = names
    return layers


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantizer's advice, which it logs to the root logger."""
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)
