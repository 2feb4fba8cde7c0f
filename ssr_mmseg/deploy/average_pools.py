"""Average pooling of an exported graph as depthwise convolutions, which are several times faster in int8."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx


def average_pools_to_convolutions(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """Return a graph that computes the same, in which average pooling of two axes is a depthwise convolution.

    Pooling that pads, rounds sizes up or dilates stays, as does that of an unknown number of channels.
    """
    import onnx
    from onnx import numpy_helper

    changed = onnx.shape_inference.infer_shapes(copy.deepcopy(graph))
    channels = _channels(changed)
    for node in changed.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        count = channels.get(node.input[0], 0) if node.op_type == "AveragePool" else 0
        if not count or not _is_plain(attributes):
            continue
        kernel = attributes["kernel_shape"]
        weight = np.full((count, 1, *kernel), 1 / np.prod(kernel), np.float32)
        name = f"{node.output[0]}.average"
        changed.graph.initializer.append(numpy_helper.from_array(weight, name))
        strides = attributes.get("strides", [1, 1])
        convolution = onnx.helper.make_node(
            "Conv", [node.input[0], name], list(node.output), node.name, group=count, strides=strides
        )
        node.CopyFrom(convolution)
    return changed


def _channels(graph: "onnx.ModelProto") -> dict[str, int]:
    """Return the number of channels, by name, of the tensors (N, C, H, W) for which it is known."""
    numbers = {}
    for value in (*graph.graph.value_info, *graph.graph.input):
        dimensions = value.type.tensor_type.shape.dim
        if len(dimensions) == 4 and dimensions[1].dim_value:
            numbers[value.name] = dimensions[1].dim_value
    return numbers


def _is_plain(attributes: dict[str, Any]) -> bool:
    """Return whether a pooling of two axes computes nothing but means of windows within the tensor."""
    return (
        len(attributes["kernel_shape"]) == 2
        and attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        and not any(attributes.get("pads", ()))
        and not attributes.get("ceil_mode", 0)
        and set(attributes.get("dilations", [1])) == {1}
    )
