"""The last resize of an exported graph in two steps, which compute the same and are faster on OpenVINO's CPU plugin."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ssr_mmseg.deploy.onnx_export import TO_NCHW, TO_NHWC

if TYPE_CHECKING:
    import onnx


def split_last_resize(model: "onnx.ModelProto") -> bool:
    """Change the graph, in place, to output logits (N, H, W, classes) if it ends with a bilinear resize by factors.

    OpenVINO's resize spends a fixed time per pixel, so that few channels are slow. Therefore the width is resized
    first. A row of the result then counts as one pixel of W · classes channels, for which resizing the height costs
    little more than writing the result. Transpositions between them are those of the layout that OpenVINO uses anyway.

    Returns:
        Whether the graph was changed.
    """
    import onnx

    graph = model.graph
    output = graph.output[0]
    shape = [dimension.dim_value for dimension in output.type.tensor_type.shape.dim]
    resize = next((node for node in graph.node if output.name in node.output), None)
    scales = None if resize is None else _scales(graph, resize)
    if resize is None or scales is None or len(shape) != 4 or not all(shape):
        return False
    batch, classes, height, width = shape
    rows = round(height / scales[2])
    settings = {a.name: onnx.helper.get_attribute_value(a) for a in resize.attribute}
    names = [f"{output.name}_{step}" for step in ("wide", "wide_nhwc", "rows", "channels", "high", "high_nhwc")]
    wide, wide_nhwc, row_pixels, channels, high, high_nhwc = names
    nodes = [
        _resize(graph, resize.input[0], wide, [1, 1, 1, scales[3]], settings),
        onnx.helper.make_node("Transpose", [wide], [wide_nhwc], wide_nhwc, perm=TO_NHWC),
        _reshape(graph, wide_nhwc, row_pixels, [batch, rows, 1, width * classes]),
        onnx.helper.make_node("Transpose", [row_pixels], [channels], channels, perm=TO_NCHW),
        _resize(graph, channels, high, [1, 1, scales[2], 1], settings),
        onnx.helper.make_node("Transpose", [high], [high_nhwc], high_nhwc, perm=TO_NHWC),
        _reshape(graph, high_nhwc, output.name, [batch, height, width, classes]),
    ]
    graph.node.remove(resize)
    graph.node.extend(nodes)
    for dimension, size in zip(output.type.tensor_type.shape.dim, (batch, height, width, classes), strict=True):
        dimension.dim_value = size
    return True


def _scales(graph: "onnx.GraphProto", resize: "onnx.NodeProto") -> np.ndarray | None:
    """Return the constant scales (4,) of a node that resizes height and width bilinearly; None for any other node."""
    import onnx
    from onnx import numpy_helper

    settings = {a.name: onnx.helper.get_attribute_value(a) for a in resize.attribute}
    bilinear = settings.get("mode") == b"linear" and "axes" not in settings and not settings.get("antialias", 0)
    if resize.op_type != "Resize" or not bilinear or len(resize.input) != 3:
        return None
    values = (numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name == resize.input[2])
    scales = next(values, None)
    return scales if scales is not None and scales.shape == (4,) and all(scales[:2] == 1) else None


def _resize(
    graph: "onnx.GraphProto", source: str, target: str, scales: list[float], settings: dict[str, Any]
) -> "onnx.NodeProto":
    """Return a resize of `source` by `scales`, which it adds to the constants of the graph."""
    import onnx

    name = _constant(graph, f"{target}_scales", np.array(scales, np.float32))
    return onnx.helper.make_node("Resize", [source, "", name], [target], target, **settings)


def _reshape(graph: "onnx.GraphProto", source: str, target: str, shape: list[int]) -> "onnx.NodeProto":
    """Return a reshape of `source` to `shape`, which it adds to the constants of the graph."""
    import onnx

    name = _constant(graph, f"{target}_shape", np.array(shape, np.int64))
    return onnx.helper.make_node("Reshape", [source, name], [target], target)


def _constant(graph: "onnx.GraphProto", name: str, values: np.ndarray) -> str:
    """Add a constant to the graph and return its name."""
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(values, name))
    return name
