"""Small ONNX files, sound and hostile, with the metadata of an exported network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata

SIZE = (8, 16)


def metadata(classes: int = 3, **changes: Any) -> OnnxMetadata:
    """Return the metadata of a network for images of `SIZE`."""
    fields: dict[str, Any] = {
        "network": "n",
        "head": "labels",
        "size": SIZE,
        "classes": tuple(f"c{number}" for number in range(classes)),
        "palette": ((1, 2, 3),) * classes,
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "provenance": {},
    }
    return OnnxMetadata(**{**fields, **changes})


def model(
    nodes: Sequence[NodeProto], weights: dict[str, Any] | None = None, about: OnnxMetadata | None = None
) -> ModelProto:
    """Return a model of the nodes and then of those that make `labels` of the value `numbers`, int64 (1, h, w).

    Args:
        nodes: From `images` (1, 3, h, w) and the weights to `numbers`.
        weights: Array or scalar by name.
        about: The metadata; those of a network for `SIZE` if None.
    """
    about = about or metadata()
    cast = helper.make_node("Cast", ["numbers"], ["labels"], to=TensorProto.UINT8)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *about.size])
    labels = helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, *about.size])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()]
    graph = helper.make_graph([*nodes, cast], "g", [images], [labels], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {KEY: about.to_json()})
    return made


def brightest_channel(source: str = "images") -> list[NodeProto]:
    """Return the nodes whose result is the number of the brightest channel of each pixel."""
    return [helper.make_node("ArgMax", [source], ["numbers"], axis=1, keepdims=0)]


def added(value: str) -> list[NodeProto]:
    """Return the nodes that add the least element of `value` to the images, so that it must be computed."""
    return [
        helper.make_node("ReduceMin", [value], ["least"], keepdims=0),
        helper.make_node("Add", ["images", "least"], ["changed"]),
        *brightest_channel("changed"),
    ]
