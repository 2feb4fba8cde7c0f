"""Whatever a graph computes, a session takes limited memory and prints nothing of the file."""

import json
import subprocess
import sys

import numpy as np
import pytest
from onnx import helper
from onnx_files import SIZE, added, brightest_channel, model
from patience import PATIENCE

from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

LIMIT = 256 * 2**20  # instead of the one of `onnx_session`, so that a test of a graph beyond it takes little
RUN = f"""
import json, resource, sys
import numpy as np, onnxruntime
from ssr_mmseg.deploy import onnx_session
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.utils.errors import UserError
onnx_session.MAX_MEMORY = {LIMIT}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    labels = ExportedNetwork(sys.argv[1]).labels(np.zeros((8, 16, 3), np.uint8)).shape
    error = None
except UserError as refused:
    labels, error = None, str(refused)
peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(json.dumps([labels, error, peak]))
"""
MANY = 200_000_000  # floats of 800 MB
ONE = {"one": np.float32(1), "shape": np.array([MANY])}


def node(operator: str, *inputs: str, out: str = "value", **attributes):
    return helper.make_node(operator, inputs, [out], **attributes)


def constants(count: int) -> list:
    """Nodes that add constants of 100 MB each, all of which would be held at once if they were folded."""
    nodes = [node("ReduceMin", "images", keepdims=0, out="sum0")]
    for number in range(count):
        nodes.append(node("Expand", f"one{number}", "shape", out=f"wide{number}"))
        nodes.append(node("Add", f"sum{number}", f"wide{number}", out=f"sum{number + 1}"))
    return nodes


HOSTILE = {
    "Expand": ([node("Expand", "one", "shape")], ONE),
    "ConstantOfShape": ([node("ConstantOfShape", "shape")], ONE),
    "Tile": ([node("Tile", "images", "by")], {"by": np.array([1, 1, 1000, 1000])}),
    "Resize": ([node("Resize", "images", "", "by")], {"by": np.array([1, 1, 1000, 1000], np.float32)}),
    "Pad": ([node("Pad", "images", "by")], {"by": np.array([0] * 6 + [8000] * 2)}),
    "Range": (
        [node("Range", "zero", "many", "step", out="numbers64"), node("Cast", "numbers64", to=1)],
        {"zero": np.int64(0), "many": np.int64(MANY), "step": np.int64(1)},
    ),
    "Conv": ([node("Conv", "images", "kernel", pads=[4000] * 4)], {"kernel": np.zeros((1, 3, 1, 1), np.float32)}),
    "an outer product": (
        [node("MatMul", "column", "row")],
        {"column": np.zeros((15_000, 1), np.float32), "row": np.zeros((1, 15_000), np.float32)},
    ),
    "doubling": (
        [node("Concat", f"d{number}", f"d{number}", out=f"d{number + 1}", axis=0) for number in range(30)]
        + [node("Identity", "d30")],
        {"d0": np.zeros(1, np.float32)},
    ),
    "constants": (
        [*constants(10), node("Identity", "sum10")],
        {"shape": np.array([25_000_000]), **{f"one{number}": np.float32(number) for number in range(10)}},
    ),
}


def run(path) -> tuple:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return tuple(json.loads(done.stdout))


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_limited_whatever_a_graph_computes(name, tmp_path):
    nodes, weights = HOSTILE[name]
    (tmp_path / "net.onnx").write_bytes(model([*nodes, *added("value")], weights).SerializeToString())
    labels, error, peak = run(tmp_path / "net.onnx")
    assert labels is None
    assert f"cannot run on an image (it needs more than {LIMIT // 2**20} MiB of memory)" in error
    assert peak < LIMIT + 100 * 2**20


def test_a_sound_graph_takes_little(tmp_path):
    (tmp_path / "net.onnx").write_bytes(model(brightest_channel()).SerializeToString())
    labels, error, peak = run(tmp_path / "net.onnx")
    assert (labels, error) == ([*SIZE], None)
    assert peak < 50 * 2**20


RED = "\x1b[31mred\n"


def test_names_in_the_file_do_not_reach_the_terminal(tmp_path, capfd):
    path = tmp_path / "net.onnx"
    at_run = [helper.make_node("Gather", ["images", "index"], ["value"], name=RED), *added("value")]
    path.write_bytes(model(at_run, {"index": np.array([99])}).SerializeToString())
    with pytest.raises(UserError, match="cannot run on an image") as caught:
        ExportedNetwork(path).labels(np.zeros((8, 16, 3), np.uint8))
    assert str(caught.value).isprintable()
    at_creation = [helper.make_node("MatMul", ["images", "wrong"], ["value"], name=RED), *added("value")]
    path.write_bytes(model(at_creation, {"wrong": np.zeros((5, 5), np.float32)}).SerializeToString())
    with pytest.raises(UserError, match="is not an ONNX model that ONNX Runtime can load") as caught:
        ExportedNetwork(path)
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_another_session_of_the_process_has_no_such_limit(tmp_path):
    (tmp_path / "net.onnx").write_bytes(model(brightest_channel()).SerializeToString())
    large = model([*HOSTILE["Expand"][0], *added("value")], {**ONE, "shape": np.array([100_000_000])})
    (tmp_path / "large.onnx").write_bytes(large.SerializeToString())
    program = f"""
import numpy as np, onnxruntime
from ssr_mmseg.deploy import onnx_session
onnx_session.MAX_MEMORY = {LIMIT}
onnx_session.open_session({str(tmp_path / "net.onnx")!r})
session = onnxruntime.InferenceSession({str(tmp_path / "large.onnx")!r}, providers=["CPUExecutionProvider"])
print(session.run(None, {{"images": np.zeros((1, 3, 8, 16), np.float32)}})[0].shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout == "(1, 8, 16)\n", done.stderr
