"""Weights and multiply-adds of a graph are those of the network that it was exported from."""

import numpy as np
import onnx
import pytest
import torch
from color_files import color_file
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.graph_cost import graph_cost
from ssr_mmseg.profiling.model_size import count_macs, count_parameters


class Attention(nn.Module):
    """Convolutions of every kind, and matrix products of features with weights and with each other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.linear = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.grouped(self.conv(images).relu())
        rows = features.flatten(2).transpose(1, 2)  # (N, HW, 8)
        mixed = (rows @ self.linear(rows).transpose(1, 2)).softmax(-1) @ rows
        return self.up(mixed.transpose(1, 2).unflatten(2, features.shape[2:]))


@pytest.mark.parametrize("batch", [1, 3])
def test_counts_equal_those_of_torch(batch):
    network = Attention().eval()
    graph = onnx_export.export(network, torch.zeros(batch, 3, 16, 24))
    cost = graph_cost(graph.SerializeToString(), (batch, 3, 16, 24))
    assert cost.macs == count_macs(network, (16, 24))
    assert cost.params == count_parameters(network)
    assert cost.precision == "fp32"


def test_a_file_of_open_size_is_counted_at_a_size(tmp_path):
    data = color_file(tmp_path / "a.onnx", size=("h", "w"), batch="n").read_bytes()
    assert graph_cost(data, (2, 3, 10, 20)).macs == 10 * 20 * 9
    assert graph_cost(data, (1, 3, 20, 20)).macs == 20 * 20 * 9
    assert graph_cost(data, (1, 3, 20, 20)).params == 9


def test_a_shape_that_depends_on_values_leaves_the_count_open():
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["number"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["number", "zero"], ["length"]),
        helper.make_node("Tile", ["images", "repeats"], ["tiled"]),
        helper.make_node("Conv", ["tiled", "weights"], ["output"]),
        helper.make_node("Concat", ["ones", "length"], ["repeats"], axis=0),
    ]
    nodes = [*nodes[:3], nodes[5], *nodes[3:5]]
    constants = {"zero": np.array([0]), "ones": np.ones(3, np.int64), "weights": np.ones((4, 3, 1, 1), np.float32)}
    graph = helper.make_graph(
        nodes,
        "open",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    cost = graph_cost(model.SerializeToString(), (1, 3, 8, 8))
    assert (cost.params, cost.macs) == (12, None)


@pytest.mark.parametrize(("kind", "precision"), [(np.float16, "fp16"), (np.float32, "fp32")])
def test_the_precision_is_that_of_most_weights(tmp_path, kind, precision):
    model = onnx.load(color_file(tmp_path / "a.onnx"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(100, kind), "more"))
    assert graph_cost(model.SerializeToString(), (1, 3, 8, 12)).precision == precision


def test_weights_of_a_quantized_file_are_bytes():
    constants = {
        "weights": np.ones((4, 3, 1, 1), np.int8),
        "scale": np.float32(0.5),
        "zero": np.int8(0),
        "shape": np.array([1, 4, 64]),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["weights", "scale", "zero"], ["floats"]),
        helper.make_node("Conv", ["images", "floats"], ["maps"]),
        helper.make_node("Reshape", ["maps", "shape"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bytes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4, 64])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    cost = graph_cost(model.SerializeToString(), (1, 3, 8, 8))
    assert (cost.params, cost.precision, cost.macs) == (12 + 2, "int8", 4 * 3 * 64)
