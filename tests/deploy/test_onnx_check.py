"""ONNX files that hold more than a network of images needs are refused before ONNX Runtime reads them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_files import brightest_channel, model

from ssr_mmseg.deploy import onnx_check, onnx_session
from ssr_mmseg.deploy.onnx_check import check_model
from ssr_mmseg.utils.errors import UserError

SOUND = model(brightest_channel(), {"weight": np.zeros((2, 3), np.float32)})


def changed(change) -> bytes:
    """The bytes of the sound model after `change(model)`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(SOUND)
    change(copy)
    return copy.SerializeToString()


def node(operator: str, domain: str = "", **attributes) -> bytes:
    made = helper.make_node(operator, ["images"], ["y"], domain=domain, **attributes)
    return changed(lambda copy: copy.graph.node.append(made))


def external(copy) -> None:
    copy.graph.initializer[0].data_location = TensorProto.EXTERNAL
    copy.graph.initializer[0].external_data.add(key="location", value="../../../etc/passwd")


def only_location(copy) -> None:
    copy.graph.initializer[0].data_location = TensorProto.EXTERNAL


def function(copy) -> None:
    one = helper.make_node("Relu", ["a"], ["b"])
    copy.functions.append(helper.make_function("d", "Relu", ["a"], ["b"], [one], [helper.make_opsetid("", 18)]))


def constant(**fields) -> bytes:
    tensor = TensorProto(**{"data_type": 1, "dims": [2, 2], "raw_data": bytes(16), **fields})
    return node("Constant", value=tensor)


def sparse() -> onnx.SparseTensorProto:
    values = helper.make_tensor("v", 1, [1], [1.0])
    return helper.make_sparse_tensor(values, helper.make_tensor("i", 7, [1], [5]), [3 * 10**9])


BODY = helper.make_graph([], "body", [], [])
REFUSED = {
    "a loop": (node("Loop", body=BODY), "the operator 'Loop'"),
    "a branch": (node("If", then_branch=BODY, else_branch=BODY), "the operator 'If'"),
    "a graph within a usual operator": (node("Relu", body=BODY), "a graph within an operator"),
    "graphs within a usual operator": (node("Relu", body=[BODY]), "graphs within an operator"),
    "text": (node("StringNormalizer"), "the operator 'StringNormalizer'"),
    "escape sequences": (node("\x1b[2J\n"), r"the operator '\\x1b\[2J\\n'"),
    "an extension's operator": (node("Relu", "com.microsoft"), "an operator of 'com.microsoft'"),
    "a file": (node("EPContext", "com.microsoft"), "the operator 'EPContext'"),
    "a function": (changed(function), "functions"),
    "weights in a file": (changed(external), "weights in other files"),
    "weights elsewhere": (changed(only_location), "weights in other files"),
    "sparse weights": (changed(lambda copy: copy.graph.sparse_initializer.append(sparse())), "sparse weights"),
    "a sparse constant": (node("Constant", sparse_value=sparse()), "sparse weights"),
    "text as weights": (constant(data_type=8, string_data=[b"a"], raw_data=b""), "text as weights"),
    "weights without bytes": (
        constant(dims=[3 * 10**9], raw_data=b""),
        r"weights of shape \[3000000000\] with 0 bytes",
    ),
    "weights of few bytes": (constant(dims=[3 * 10**9]), r"weights of shape \[3000000000\] with 16 bytes"),
    "weights of few numbers": (
        constant(dims=[3 * 10**9], float_data=[1.0], raw_data=b""),
        "weights of shape .* 4 bytes",
    ),
    "weights of negative shape": (constant(dims=[-1]), "weights of shape"),
    "many dimensions": (constant(dims=[1] * 17, raw_data=bytes(4)), "weights of more than 16 dimensions"),
    "complex weights": (constant(data_type=14), "weights of type 14"),
    "a training": (changed(lambda copy: copy.training_info.add()), "a program for training"),
    "many operators": (
        changed(lambda copy: copy.graph.node.extend([copy.graph.node[0]] * 10_000)),
        "more than 10000 operators",
    ),
    "many weights": (
        changed(lambda copy: copy.graph.initializer.extend([copy.graph.initializer[0]] * 10_000)),
        "more than 10000 weights",
    ),
    "much text": (changed(lambda copy: setattr(copy, "doc_string", "x" * 2**24)), "more than 16777216 bytes besides"),
    "many fields": (node("Transpose", perm=[0] * 1_000_000), "more than 1000000 fields"),
}


def test_a_sound_model_passes():
    check_model(SOUND.SerializeToString(), "net.onnx")
    check_model(constant(), "net.onnx")
    check_model(constant(dims=[], float_data=[1.0], raw_data=b""), "net.onnx")


@pytest.mark.parametrize("name", REFUSED)
def test_what_networks_of_images_do_not_need_is_refused(name, tmp_path, monkeypatch):
    data, found = REFUSED[name]
    onnx.ModelProto.FromString(data)  # it is refused for what it holds
    (tmp_path / "net.onnx").write_bytes(data)
    monkeypatch.setattr(onnx_session, "_limit_memory", lambda: pytest.fail("a session was about to be created"))
    with pytest.raises(UserError, match=rf"net\.onnx has {found}.*, which predict does not read"):
        onnx_session.open_session(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08\x0a",
        b"no graph",
        bytes(100),
        b"\x0b" * 40,
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\xff" * 20,
        b"\x3a\x03\x0a\x01\xff",
    ],
    ids=str,
)
def test_what_is_no_model_is_refused(data):
    with pytest.raises(UserError, match=r"net\.onnx is not an ONNX model \(.*\); create it with: ssr-mmseg export"):
        check_model(data, "net.onnx")


def test_a_part_that_comes_twice_is_checked_twice():
    """Parsers merge repeated messages, and take the last of repeated names."""
    twice = SOUND.SerializeToString() + REFUSED["a loop"][0]
    assert [each.op_type for each in onnx.ModelProto.FromString(twice).graph.node].count("Loop") == 1
    with pytest.raises(UserError, match="the operator 'Loop'"):
        check_model(twice, "net.onnx")
    renamed = helper.make_node("Relu", ["images"], ["y"]).SerializeToString() + b"\x22\x04Loop"
    assert onnx.NodeProto.FromString(renamed).op_type == "Loop"
    graph = b"\x0a" + bytes([len(renamed)]) + renamed
    with pytest.raises(UserError, match="the operator 'Loop'"):
        check_model(SOUND.SerializeToString() + b"\x3a" + bytes([len(graph)]) + graph, "net.onnx")


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path, monkeypatch):
    with open(tmp_path / "net.onnx", "wb") as file:
        file.truncate(2**40)  # of which the disk holds nothing
    monkeypatch.setattr(onnx_check, "MAX_FILE_BYTES", 1000)
    with pytest.raises(UserError, match=r"net\.onnx is larger than 1000 bytes"):
        onnx_check.read_model(tmp_path / "net.onnx")


def test_operators_exist_in_onnx():
    assert {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""} >= onnx_check.OPERATORS
