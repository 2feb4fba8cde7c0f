"""Small ONNX files whose class is the color, to recognize inputs and outputs of, and an image of three colors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

COLORS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)  # class 0, 1, 2: red, green, blue


def color_file(
    path: Path,
    *,
    size: Sequence[int | str] = (8, 12),
    batch: int | str = 1,
    layout: str = "nchw",
    weights: np.ndarray = COLORS,
    stride: int = 1,
    output: str = "logits",
    output_layout: str = "nchw",
    kind: int = TensorProto.FLOAT,
    input_kind: int = TensorProto.FLOAT,
    extra_output: bool = False,
) -> Path:
    """Write a network whose class is the color: logits are products of the channels with `weights` (classes, 3).

    Args:
        path: The file.
        size, batch: Sides of the input: numbers, or names of open ones.
        layout, output_layout: `nchw` or `nhwc`.
        weights: Logits of each class for each channel.
        stride: Divisor of the size of the output, by average pooling.
        output: `logits`; `labels` (N, H, W), or `labels4` with an axis of length 1.
        kind, input_kind: Element types of output and input by ONNX's number.
        extra_output: Also return the input.
    """
    shape = [batch, 3, *size] if layout == "nchw" else [batch, *size, 3]
    nodes, value = [], "images"
    if input_kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [value], ["floats"], to=TensorProto.FLOAT))
        value = "floats"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [value], ["planes"], perm=[0, 3, 1, 2]))
        value = "planes"
    if stride > 1:
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes.append(helper.make_node("AveragePool", [value], ["small"], **pool))
        value = "small"
    nodes.append(helper.make_node("Conv", [value, "weights"], ["scores"]))
    value = "scores"
    if output != "logits":
        nodes.append(helper.make_node("ArgMax", [value], ["best"], axis=1, keepdims=int(output == "labels4")))
        nodes.append(helper.make_node("Cast", ["best"], ["cast"], to=kind))
        value = "cast"
    elif kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [value], ["cast"], to=kind))
        value = "cast"
    if output_layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [value], ["last"], perm=[0, 2, 3, 1]))
        value = "last"
    nodes.append(helper.make_node("Identity", [value], ["output"]))
    rank = 3 if output == "labels" else 4
    outputs = [helper.make_tensor_value_info("output", kind, [None] * rank)]
    if extra_output:
        nodes.append(helper.make_node("Identity", ["images"], ["features"]))
        outputs.append(helper.make_tensor_value_info("features", input_kind, [None] * 4))
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("images", input_kind, shape)],
        outputs,
        [numpy_helper.from_array(weights[:, :, None, None], "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def tricolor(height: int, width: int) -> np.ndarray:
    """Return an image (H, W, 3), BGR, whose thirds are red, green and blue from left to right."""
    image = np.zeros((height, width, 3), np.uint8)
    for number, channel in enumerate((2, 1, 0)):
        image[:, number * width // 3 : (number + 1) * width // 3, channel] = 255
    return image


def thirds(height: int, width: int, numbers: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Return the labels of `tricolor` (H, W), with a number for each color."""
    labels = np.zeros((height, width), np.uint8)
    for number, value in enumerate(numbers):
        labels[:, number * width // 3 : (number + 1) * width // 3] = value
    return labels
