"""Files are timed on images of the right shape, by either runtime, and again if they do not settle."""

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from onnx import TensorProto, helper, save
from patience import PATIENCE

from ssr_mmseg.deploy.onnx_session import open_session
from ssr_mmseg.profiling import file_timing
from ssr_mmseg.profiling.file_runs import SESSION, onnxruntime_run, openvino_run
from ssr_mmseg.profiling.file_timing import FileRunner, ImageFile, prepare_file, time_files
from ssr_mmseg.profiling.timing import Timing
from ssr_mmseg.settings.models.networks import Preprocess
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

SIZE = (24, 40)
RUNNERS = [FileRunner("onnxruntime", False, 1), FileRunner("openvino", False, 1)]


def write(path, shape, kind=TensorProto.FLOAT, outputs=("a",)):
    """Write a file that negates its input of a shape, in which names are open dimensions."""
    graph = helper.make_graph(
        [helper.make_node("Neg", ["images"], [name]) for name in outputs],
        "g",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def record_batches(monkeypatch) -> list[np.ndarray]:
    """Return a list that the batch of every prepared run is added to."""
    seen = []

    def recording(run):
        def record(*arguments):
            seen.append(next(value for value in arguments if isinstance(value, np.ndarray)))
            return run(*arguments)

        return record

    for name in ("onnxruntime_run", "openvino_run"):
        monkeypatch.setattr(file_timing, name, recording(getattr(file_timing, name)))
    return seen


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.backend)
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 3, 16, 32), (1, 3, 16, 32)),
        (("n", 3, "h", "w"), (1, 3, *SIZE)),
        (("n", "h", "w", 3), (1, *SIZE, 3)),
        ((4, 3, 16, 32), (4, 3, 16, 32)),
    ],
)
def test_open_dimensions_have_the_size_at_which_the_accuracy_was_measured(
    tmp_path, monkeypatch, runner, shape, expected
):
    seen = record_batches(monkeypatch)
    prepare_file(ImageFile(write(tmp_path / "f.onnx", shape), SIZE, Preprocess()), runner)()
    assert [batch.shape for batch in seen] == [expected]


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_pixels_have_the_type_that_the_file_takes(tmp_path, kind):
    file = write(tmp_path / "f.onnx", (1, 3, 16, 32), kind, ("a", "b"))
    prepare_file(ImageFile(file, SIZE, Preprocess()), RUNNERS[0])()
    prepare_file(ImageFile(file, SIZE, Preprocess(), "b"), RUNNERS[0])()


def test_a_file_without_images_is_refused(tmp_path):
    file = write(tmp_path / "f.onnx", (1, 5, 16, 32))
    with pytest.raises(UserError, match="in which the axis of the colors is unclear"):
        prepare_file(ImageFile(file, SIZE, Preprocess()), RUNNERS[0])


def test_only_files_that_did_not_settle_are_timed_again_and_not_for_ever(tmp_path, monkeypatch):
    files = [ImageFile(write(tmp_path / f"{name}.onnx", (1, 3, 16, 32)), SIZE, Preprocess()) for name in "xyz"]
    settled = iter([True, False, False, True, False, False])  # x, y, z, then y, z, then z
    monkeypatch.setattr(file_timing, "measure", lambda *_, **__: Timing((1.0,), 5, next(settled)))
    timings = time_files(files, RUNNERS[0], 1, 0.01)
    assert [timing.settled for timing in timings] == [True, True, False]
    assert next(settled, None) is None


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_run_keeps_its_batch(tmp_path, backend):
    """Runtimes have its address only; otherwise they would read memory that is used for something else."""

    class Batch(np.ndarray):
        """An array that can be referred to weakly."""

    path = write(tmp_path / "f.onnx", (1, 3, 16, 32))
    batch = np.zeros((1, 3, 16, 32), np.float32).view(Batch)
    alive = weakref.ref(batch)
    if backend == "openvino":
        run = openvino_run(path, batch, 1)
    else:
        run = onnxruntime_run(open_session(path, "cpu", 1, SESSION), path, batch, ["a"], "cpu")
    del batch
    gc.collect()
    run()
    assert alive() is not None
    del run
    gc.collect()
    assert alive() is None


SIGNALS = """
import gc, os, signal, sys
from pathlib import Path
import numpy as np
from ssr_mmseg.profiling.file_runs import openvino_run
batch = np.zeros((1, 3, 16, 32), np.float32)
first = openvino_run(Path(sys.argv[1]), batch, 1)
second = openvino_run(Path(sys.argv[1]), batch, 1)
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_after_timing_by_openvino_is_handled(tmp_path):
    """Each of OpenVINO's cores replaces the stack of signal handlers, and unmaps its own in the end."""
    path = write(tmp_path / "f.onnx", (1, 3, 16, 32))
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    call = subprocess.run(
        [sys.executable, "-c", SIGNALS, str(path)], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (call.returncode, call.stdout) == (0, "handled\n"), call.stderr
