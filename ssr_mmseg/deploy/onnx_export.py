"""Export of networks to ONNX graphs, and changes to exported graphs."""

import copy
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require

if TYPE_CHECKING:
    import onnx

INPUT, LOGITS, LABELS = "images", "logits", "labels"
OPSET = 18
TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def export(model: nn.Module, images: Tensor, dynamic: bool = False, user: str = "an ONNX graph") -> "onnx.ModelProto":
    """Export a network in eval mode, with the input `images` and the output `logits`.

    Args:
        model: Maps images (N, 3, H, W) to logits (N, classes, H, W); left unchanged.
        images: An example batch; unless `dynamic`, the graph accepts batches of this shape only.
        dynamic: Leave batch, height and width open, the latter two as multiples of 8.
        user: Name of the caller, for the message about a missing library.

    Raises:
        UserError: The exporter is not installed, or ONNX cannot express an operator or the control flow.
    """
    require("onnx", user)
    require("onnxscript", user)
    shapes = None
    if dynamic:
        dimension = torch.export.Dim
        height, width = 8 * dimension("height_8", min=4), 8 * dimension("width_8", min=4)
        images = (
            images if len(images) > 1 else images.repeat(2, 1, 1, 1)
        )  # tracing would treat a batch of 1 as a constant
        shapes = ({0: dimension("batch", min=1), 2: height, 3: width},)
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:  # they log every optimization
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                copy.deepcopy(model).eval(),
                (images,),
                dynamo=True,
                optimize=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[LOGITS],
                dynamic_shapes=shapes,
            )
    except Exception as error:  # torch raises many types, with messages of many lines
        raise UserError(f"the network cannot be exported to ONNX: {_reason(error)}") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert program is not None
    graph: onnx.ModelProto = program.model_proto
    drop_origins(graph)
    return graph


def drop_origins(model: "onnx.ModelProto") -> None:
    """Remove, in place, what the exporter says about the source code of each node and value: its files and lines."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _reason(error: BaseException) -> str:
    """Return the innermost cause of an exporter's error as one line."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return (lines[0] if lines else type(cause).__name__)[:300]


def channels_last_output(model: "onnx.ModelProto") -> bool:
    """Change the graph, in place, to output logits (N, H, W, classes) if it ends with a resize of height and width.

    A resize over adjacent classes of each pixel takes less than half the time of one class map after the other, and
    the transposition before it applies to the small map.

    Returns:
        Whether the graph was changed.
    """
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    resize = next((node for node in graph.node if graph.output[0].name in node.output), None)
    if resize is None or resize.op_type != "Resize" or any(a.name == "axes" for a in resize.attribute):
        return False
    constants = {tensor.name: tensor for tensor in graph.initializer}
    position = 2 if len(resize.input) < 4 or not resize.input[3] else 3  # scales, or sizes
    values = constants.get(resize.input[position])
    if values is None:
        return False
    order = numpy_helper.to_array(values)[list(TO_NHWC)]
    small = resize.input[0]
    transposed, amounts = f"{small}_nhwc", f"{resize.input[position]}_nhwc"
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(order), amounts))
    resize.input[0], resize.input[position] = transposed, amounts
    transpose = onnx.helper.make_node("Transpose", [small], [transposed], name="logits_nhwc", perm=list(TO_NHWC))
    graph.node.insert(list(graph.node).index(resize), transpose)
    dimensions = graph.output[0].type.tensor_type.shape.dim
    old = [copy.deepcopy(dimension) for dimension in dimensions]
    for dimension, source in zip(dimensions, TO_NHWC, strict=True):
        dimension.CopyFrom(old[source])
    return True


def append(model: "onnx.ModelProto", nodes: list, output: str, kind: int, shape: list[int | str]) -> None:
    """Append `nodes` to the graph, in place, and make `output` of the given element type and shape its only output."""
    import onnx

    model.graph.node.extend(nodes)
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(output, kind, shape))
    onnx.checker.check_model(model, full_check=True)


def output_shape(model: "onnx.ModelProto") -> list[int | str]:
    """Return the dimensions of the only output: numbers, or names of open ones."""
    dimensions = model.graph.output[0].type.tensor_type.shape.dim
    return [dimension.dim_param or dimension.dim_value for dimension in dimensions]


def to_labels(model: "onnx.ModelProto") -> None:
    """Replace the output, in place, by `labels` (N, H, W), uint8: the most probable class of each pixel."""
    import onnx

    axis = -1 if channels_last_output(model) else 1
    shape = output_shape(model)
    del shape[axis]
    nodes = [
        onnx.helper.make_node("ArgMax", [LOGITS], ["class_numbers"], name="argmax", axis=axis, keepdims=0),
        onnx.helper.make_node("Cast", ["class_numbers"], [LABELS], name="to_uint8", to=onnx.TensorProto.UINT8),
    ]
    append(model, nodes, LABELS, onnx.TensorProto.UINT8, shape)
