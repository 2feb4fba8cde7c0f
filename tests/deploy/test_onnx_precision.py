"""The arithmetic of ONNX files, from their bytes."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from deployed_networks import frames, random_network, small_genotype
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_files import brightest_channel, model

from ssr_mmseg.deploy.export import build_graph
from ssr_mmseg.deploy.onnx_precision import graph_precision
from ssr_mmseg.deploy.protobuf import WireError
from ssr_mmseg.deploy.quantize import quantize


def test_exported_and_quantized_networks():
    graph = build_graph(random_network(1, small_genotype()), frames(0, 1, 3, 32, 64), dynamic=False)
    assert graph_precision(graph.SerializeToString()) == "fp32"
    assert graph_precision(quantize(graph, torch.randn(2, 3, 32, 64)).SerializeToString()) == "int8"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], "fp32"),
        ([np.zeros(9, np.int64)], "fp32"),
        ([np.zeros((3, 3), np.float16), np.float32(1), np.zeros(100, np.int64)], "fp16"),
        ([np.zeros(2, np.float16), np.zeros(3, np.float32)], "fp32"),
        ([np.float64(1)], "fp64"),
    ],
)
def test_the_type_of_most_weights_counts(weights, expected):
    made = model(brightest_channel(), {f"w{number}": value for number, value in enumerate(weights)})
    assert graph_precision(made.SerializeToString()) == expected


def test_bfloat16_is_known():
    made = model(brightest_channel())
    made.graph.initializer.append(helper.make_tensor("w", TensorProto.BFLOAT16, [2], [1.0, 2.0]))
    assert graph_precision(made.SerializeToString()) == "bf16"


@given(st.binary(max_size=200), st.integers(0, 400))
def test_damaged_bytes_have_a_precision_or_are_named_as_damaged(noise, place):
    made = model(brightest_channel(), {"w": np.zeros(4, np.float32)})
    data = bytearray(made.SerializeToString())
    data[place : place + len(noise)] = noise
    with suppress(WireError):
        assert graph_precision(bytes(data)) in ("fp32", "fp16", "bf16", "fp64", "int8")
