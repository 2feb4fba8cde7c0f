"""Size of the network in an ONNX file: weights, precision, and multiply-adds of one image."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssr_mmseg.deploy.onnx_precision import PRECISIONS, graph_precision
from ssr_mmseg.utils.extras import require

if TYPE_CHECKING:
    import onnx

BYTES = (2, 3)  # weights of quantized graphs
CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
PRODUCTS = (*CONVOLUTIONS, "ConvTranspose", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul")

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class GraphCost:
    """Size of the network in a file.

    Attributes:
        params: Numbers in its weights: initializers of floats, and of bytes in a quantized graph.
        precision: See `graph_precision`.
        macs: Multiply-adds of one image by convolutions and matrix products; None if a shape is unknown.
    """

    params: int
    precision: str
    macs: int | None


def graph_cost(data: bytes, shape: tuple[int, ...]) -> GraphCost:
    """Count the weights and the multiply-adds of a graph.

    Args:
        data: A checked ONNX file with one input.
        shape: Shape of the input, a batch of images.

    Raises:
        UserError: The package `onnx` is not installed.
    """
    onnx = require("onnx", "a rival's profile")
    model = onnx.load_model_from_string(data)
    precision = graph_precision(data)
    kinds = (*PRECISIONS, *BYTES) if precision == "int8" else PRECISIONS
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type in kinds]
    return GraphCost(sum(math.prod(tensor.dims) for tensor in weights), precision, count_macs(model, shape))


def count_macs(model: "onnx.ModelProto", shape: tuple[int, ...]) -> int | None:
    """Count the multiply-adds of one image by convolutions and matrix products; None if a shape is unknown."""
    onnx = require("onnx", "a rival's profile")
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    if not all(dimension.HasField("dim_value") for dimension in dimensions):
        for dimension, side in zip(dimensions, shape, strict=True):
            dimension.dim_value = side
        del model.graph.value_info[:]  # shapes of an open size
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except onnx.shape_inference.InferenceError:
        return None
    shapes: Shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    for node in inferred.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            shapes[node.output[0]] = tuple(node.attribute[0].t.dims)
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        dimensions = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dimensions):
            shapes[value.name] = tuple(d.dim_value for d in dimensions)
    counts = [_node_macs(node, shapes) for node in inferred.node if node.op_type in PRODUCTS]
    if any(count is None for count in counts):
        return None
    return sum(count or 0 for count in counts) // shape[0]


def _node_macs(node: "onnx.NodeProto", shapes: Shapes) -> int | None:
    """Return the multiply-adds of a convolution or a matrix product; None if a shape is unknown."""
    second = 3 if node.op_type.startswith("QLinear") else 1  # after scale and zero point of the first factor
    left, right, out = (shapes.get(name) for name in (node.input[0], node.input[second], node.output[0]))
    if left is None or right is None or out is None:
        return None
    if node.op_type in CONVOLUTIONS:  # weights (out, in / groups, …)
        return math.prod(out) * math.prod(right[1:])
    if node.op_type == "ConvTranspose":  # weights (in, out / groups, …)
        return math.prod(left) * math.prod(right[1:])
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(out) * left[-2 if transposed else -1]
