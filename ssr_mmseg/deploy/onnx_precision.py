"""The arithmetic of an ONNX file, from the types of its operators and weights."""

from collections import Counter

from ssr_mmseg.deploy.onnx_check import DIMENSIONS, ITEM_BYTES, OPERATOR, TYPE
from ssr_mmseg.deploy.protobuf import BYTES, fields, varints

GRAPH, NODE, INITIALIZER = 7, 1, 5  # fields of a model and of its graph
QUANTIZED = (
    *(b"QuantizeLinear", b"DequantizeLinear", b"QLinearConv", b"QLinearMatMul"),
    *(b"DynamicQuantizeLinear", b"ConvInteger", b"MatMulInteger"),
)
PRECISIONS = {1: "fp32", 10: "fp16", 16: "bf16", 11: "fp64"}  # by ONNX's number of the type of weights


def graph_precision(data: bytes) -> str:
    """Return `int8` for a quantized graph, otherwise the precision of most of its weights; `fp32` if it has none.

    Args:
        data: Content of a file that `check_model` accepts.
    """
    sizes: Counter[str] = Counter()
    for number, _, graph in fields(memoryview(data)):
        if number != GRAPH or not isinstance(graph, memoryview):
            continue
        for part, wire, message in fields(graph):
            if wire != BYTES or not isinstance(message, memoryview):
                continue
            if part == NODE and _operator(message) in QUANTIZED:
                return "int8"
            if part == INITIALIZER:
                precision, size = _weights(message)
                sizes[precision] += size
    sizes.pop("", None)
    return sizes.most_common(1)[0][0] if sizes else "fp32"


def _operator(node: memoryview) -> bytes:
    """Return the name of a node's operator."""
    values = [value for number, _, value in fields(node) if number == OPERATOR]
    return b"".join(bytes(value) for value in values if not isinstance(value, int))


def _weights(tensor: memoryview) -> tuple[str, int]:
    """Return the precision of weights, empty for integers, and their number."""
    kind, count = 0, 1
    for number, wire, value in fields(tensor):
        if number == TYPE and isinstance(value, int):
            kind = value
        elif number == DIMENSIONS:
            for side in varints(wire, value):
                count *= side
    return PRECISIONS.get(kind, ""), count if kind in ITEM_BYTES else 0
