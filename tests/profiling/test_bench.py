"""`bench`: rows of the table for ONNX files, exported by this project or not, without torch."""

import csv
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from onnx_files import brightest_channel, metadata, model
from patience import PATIENCE

from ssr_mmseg.cli import main
from ssr_mmseg.deploy import onnx_session
from ssr_mmseg.profiling import bench as command
from ssr_mmseg.profiling.bench import COLUMNS, DIGITS, TimedFile, bench
from ssr_mmseg.profiling.hardware import cpu_name
from ssr_mmseg.profiling.timing import Timing
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages import table
from ssr_mmseg.utils.errors import UserError

BRIEF = {"runs": 20, "seconds": 1.0, "warmup_seconds": 0.5}
HIDDEN = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "mmseg", "mmengine", "mmcv", "onnx", "PIL", "cv2", "pandas"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from ssr_mmseg.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def ours(tmp_path):
    path = tmp_path / "ours.onnx"
    about = metadata(network="searched", provenance={"commit": "abc"})
    path.write_bytes(model(brightest_channel(), about=about).SerializeToString())
    return path


def foreign(path, shape=(2, 3, 16, 24), kind=TensorProto.FLOAT, images=1):
    """A file of someone else, whose graph has two outputs."""
    inputs = [helper.make_tensor_value_info(f"in{number}", kind, shape) for number in range(images)]
    nodes = [helper.make_node("Relu", ["in0"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    outputs = [helper.make_tensor_value_info(name, kind, None) for name in "ab"]
    opset = helper.make_opsetid("", 18)
    save(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), opset_imports=[opset], ir_version=10), path)
    return path


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(text.splitlines()))


def test_columns_and_digits_are_those_of_the_table():
    assert [name for name in table.COLUMNS if name in COLUMNS] == list(COLUMNS)
    assert {name: table.DIGITS[name] for name in DIGITS} == DIGITS
    assert not {name for name in table.DIGITS if name in COLUMNS} - set(DIGITS)


def test_a_row_and_a_sentence_without_torch(ours, tmp_path):
    arguments = ["bench", str(ours), "--threads", "1", "--runs", "30", "--seconds", "2"]
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == ",".join(COLUMNS)
    (row,) = rows(done.stdout)
    p50, p95, fps = (float(row[key]) for key in ("latency_ms_p50", "latency_ms_p95", "fps"))
    assert 0 < p50 <= p95
    assert fps == pytest.approx(1000 / p50, rel=0.5)  # of microseconds, rounded
    fixed = {key: row[key] for key in ("network", "classes", "input_size", "device", "backend", "precision", "batch")}
    expected = {"network": "searched", "classes": "3", "input_size": "8x16", "device": cpu_name(), "batch": "1"}
    assert fixed == {**expected, "backend": "onnxruntime", "precision": "fp32"}
    assert row["commit"] == "abc"
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"{ours}: an image of 8x16 in ")
    assert " ms (median of 30 runs), " in sentence
    assert f" FPS on {cpu_name()}" in sentence


def test_several_files_have_a_row_each_in_their_order(ours, tmp_path, capsys):
    other = foreign(tmp_path / "other.onnx")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(ours.read_bytes())
    bench([other, ours, copy], **BRIEF)
    printed = capsys.readouterr()
    table_rows = rows(printed.out)
    assert [row["network"] for row in table_rows] == ["other", "ours", "copy"]  # two files say that they are `searched`
    assert [row["input_size"] for row in table_rows] == ["16x24", "8x16", "8x16"]
    assert [row["batch"] for row in table_rows] == ["2", "1", "1"]
    assert [row["classes"] for row in table_rows] == ["", "3", "3"]
    for row in table_rows:
        rate = 1000 * int(row["batch"]) / float(row["latency_ms_p50"])
        assert float(row["fps"]) == pytest.approx(rate, rel=0.3)
    assert len(printed.err.splitlines()) == 3
    assert "2 images of 16x24" in printed.err


def test_a_file_that_leaves_its_size_open_is_timed_at_any(tmp_path, ours, capsys):
    open_file = foreign(tmp_path / "open.onnx", ("n", 3, "h", "w"))
    bench([open_file, ours], size=(40, 72), **BRIEF)
    assert [row["input_size"] for row in rows(capsys.readouterr().out)] == ["40x72", "8x16"]
    half_open = TimedFile(foreign(tmp_path / "half.onnx", (1, 3, 24, "w")), "cpu", 1, (40, 72))
    assert half_open.shape == (1, 3, 24, 72)
    with pytest.raises(UserError, match=r"open\.onnx leaves height or width open; set --size HEIGHTxWIDTH"):
        bench([open_file])
    with pytest.raises(UserError, match=r"--size is for files that leave it open; .*ours\.onnx has one"):
        bench([ours], size=(40, 72))
    with pytest.raises(UserError, match="expected at most 16777216 pixels at once, found 256 images of 512x1024"):
        bench([foreign(tmp_path / "big.onnx", (256, 3, "h", "w"))], size=(512, 1024))


def test_the_time_is_that_of_the_file(ours, monkeypatch, capsys):
    """A graph that is made slower by a known time is measured as slower by that time."""
    run = TimedFile.run

    def slow(self):
        run(self)
        time.sleep(0.02)

    bench([ours], **BRIEF)
    quick = float(rows(capsys.readouterr().out)[0]["latency_ms_p50"])
    monkeypatch.setattr(TimedFile, "run", slow)
    bench([ours], **BRIEF)
    assert float(rows(capsys.readouterr().out)[0]["latency_ms_p50"]) - quick == pytest.approx(20, abs=15)


def test_a_latency_that_did_not_settle_is_marked(ours, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", lambda step, wait, *, batch, **_: Timing((1.0, 3.0), 5, False, batch))
    bench([ours])
    printed = capsys.readouterr()
    (row,) = rows(printed.out)
    assert (row["latency_ms_p50"], row["fps"], row["warnings"]) == ("2.0", "500.0", "the latency did not settle")
    assert "warning: the latency did not settle" in printed.err


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"shape": (1, 1, 8, 8)}, r"tensor\(float\) of \[1, 1, 8, 8\]"),
        ({"shape": (1, 8, 8, 3)}, r"tensor\(float\) of \[1, 8, 8, 3\]"),
        ({"shape": (3, 8, 8)}, r"tensor\(float\) of \[3, 8, 8\]"),
        ({"kind": TensorProto.FLOAT16}, r"tensor\(float16\) of"),
        ({"images": 2}, r"tensor\(float\) of .*, tensor\(float\) of"),
    ],
)
def test_other_inputs_are_refused(tmp_path, options, found):
    expected = rf"net\.onnx: expected one input of images \(N, 3, H, W\), float32, found {found}"
    with pytest.raises(UserError, match=expected):
        bench([foreign(tmp_path / "net.onnx", **options)])


def test_mistakes_are_one_line_and_print_no_table(ours, tmp_path, capfd):
    wrong = [helper.make_node("Gather", ["images", "index"], ["value"]), *brightest_channel("value")]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model(wrong, {"index": np.array([99])}).SerializeToString())
    loop = tmp_path / "loop.onnx"
    loop.write_bytes(model([helper.make_node("Loop", ["images"], ["x"]), *brightest_channel()]).SerializeToString())
    for arguments, line in (
        (["none.onnx"], "model none.onnx not found"),
        ([str(broken)], "broken.onnx cannot run on images of shape (1, 3, 8, 16)"),
        ([str(ours), str(loop)], "loop.onnx has the operator 'Loop'"),
        ([str(ours), "--provider", "cuda"], "run: pip install onnxruntime-gpu"),
    ):
        assert main(["bench", *arguments]) == 2
        printed = capfd.readouterr()
        assert printed.out == ""
        assert len(printed.err.splitlines()) == 1
        assert line in printed.err


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a"])
def test_names_are_no_formulas(name, tmp_path, capsys):
    path = tmp_path / "net.onnx"
    path.write_bytes(model(brightest_channel(), about=metadata(network=name)).SerializeToString())
    bench([path], **BRIEF)
    assert rows(capsys.readouterr().out)[0]["network"] == f"'{name}"


def test_a_gpu_that_falls_back_to_the_cpu_is_refused(ours, monkeypatch):
    """ONNX Runtime does so without an error where CUDA's libraries are missing. No GPU has been tried."""
    import onnxruntime

    fallen = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(onnx_session.PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: fallen)
    with pytest.raises(UserError, match="provider cuda cannot run here: ONNX Runtime chose CPUExecutionProvider"):
        bench([ours], provider="cuda")


def test_threads_are_checked(ours, capfd):
    assert main(["bench", str(ours), "--threads", "1024"]) == 2
    assert "--threads: expected at most" in capfd.readouterr().err
