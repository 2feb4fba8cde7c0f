"""Latency of exported files on this device by the timing protocol, as they are shipped: from images to labels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.deploy.onnx_check import read_model
from ssr_mmseg.deploy.onnx_session import open_session, reason
from ssr_mmseg.deploy.rival_input import TYPES
from ssr_mmseg.profiling.timing import Timing, measure
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require

FILE_BACKENDS = ("onnxruntime", "openvino", "tensorrt")  # that run a file; others run modules of PyTorch
ATTEMPTS = 3  # measurements of a file whose latency does not settle
# Threads that keep spinning after a run would take cores from the file that is timed next.
SESSION = {"session.force_spinning_stop": "1"}
OPEN = 1  # a dimension that the file leaves open


def time_files(
    files: Sequence[Path], backend: str, cuda: bool, threads: int, min_runs: int, min_seconds: float
) -> list[Timing]:
    """Time ONNX files one after the other; those that did not settle are measured again after the others.

    Args:
        files: Files with one input (N, 3, H, W) or (N, H, W, 3) of floats.
        backend: One of `FILE_BACKENDS`.
        cuda: Whether to run on the GPU.
        threads: CPU threads.
        min_runs, min_seconds: See `measure`.

    Raises:
        UserError: The backend cannot run here, or a file cannot run.
    """
    timings: dict[int, Timing] = {}
    for _ in range(ATTEMPTS):
        for number, file in enumerate(files):
            if number not in timings or not timings[number].settled:
                step = prepare_file(file, backend, cuda, threads)
                timings[number] = measure(step, lambda: None, min_runs=min_runs, min_seconds=min_seconds)
    return [timings[number] for number in range(len(files))]


def prepare_file(file: Path, backend: str, cuda: bool, threads: int) -> Callable[[], object]:
    """Return a function that runs a file once on a random image and waits for its result.

    Raises:
        UserError: See `time_files`.
    """
    if backend not in FILE_BACKENDS:
        raise UserError(f"backend {backend} runs no exported files; choose one of: {', '.join(FILE_BACKENDS)}")
    if backend == "openvino":
        return _openvino(file, threads)
    provider = "tensorrt" if backend == "tensorrt" else "cuda" if cuda else "cpu"
    session = open_session(file, provider, threads, SESSION)
    entry, *others = session.get_inputs()
    if others or entry.type not in TYPES:
        raise UserError(
            f"{file} takes {entry.type} and {len(others)} other inputs, expected one of images; export it so"
        )
    runtime = require("onnxruntime", "an exported network")
    feed = {entry.name: runtime.OrtValue.ortvalue_from_numpy(_image(entry.shape).astype(TYPES[entry.type]))}

    def step() -> None:
        try:
            session.run_with_ort_values(None, feed)
        except Exception as error:  # its error types are private
            raise UserError(f"{file} cannot run ({reason(error)}); export it again with a fixed size") from error

    return step


def _openvino(file: Path, threads: int) -> Callable[[], object]:
    library: Any = require("openvino", "backend openvino")
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = library.Core()
    try:
        compiled = core.compile_model(core.read_model(read_model(file), b""), "CPU", settings)
        shape = [side.get_length() if side.is_static else OPEN for side in compiled.input(0).partial_shape]
    except RuntimeError as error:
        raise UserError(f"{file} cannot run by OpenVINO ({reason(error)}); choose onnxruntime") from error
    request = compiled.create_infer_request()
    image = _image(shape)
    return lambda: request.infer({0: image})


def _image(shape: Sequence[Any]) -> np.ndarray:
    """Return random pixels of a file's input shape, in which open dimensions are names."""
    sides = [side if isinstance(side, int) else OPEN for side in shape]
    return np.random.default_rng(0).standard_normal(sides, dtype=np.float32)
