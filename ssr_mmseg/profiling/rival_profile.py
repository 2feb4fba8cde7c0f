"""Timing of an ONNX file as it is, by ONNX Runtime and by OpenVINO, with the clock and the threads of all networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssr_mmseg.deploy.graph_cost import GraphCost, graph_cost
from ssr_mmseg.deploy.onnx_check import read_model
from ssr_mmseg.deploy.onnx_session import open_session, reason
from ssr_mmseg.deploy.rival_input import InputForm
from ssr_mmseg.profiling.backends.openvino import HINTS
from ssr_mmseg.profiling.machine import Memory, environment, package_versions
from ssr_mmseg.profiling.profiler import latencies
from ssr_mmseg.profiling.timing import measure
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require

GRAPH = "file"  # in the place of a rewriting
# Threads that keep spinning after a run would take cores from whatever runs next, as in backend `onnxruntime`.
SESSION = {"session.force_spinning_stop": "1"}


def profile_file(
    path: Path,
    form: InputForm,
    output: str,
    size: tuple[int, int],
    batch: int,
    device: str,
    backend: str = "onnxruntime",
    precision: str | None = None,
    seed: int = 0,
    **timing: Any,
) -> dict[str, Any]:
    """Count and time a file on one batch of random pixels.

    Args:
        path: The ONNX file.
        form: Its input.
        output: Name of the output to compute.
        size, batch: Height and width, and images per run, which the file accepts.
        device: `auto`, `cpu` or `cuda`.
        backend: `onnxruntime` or `openvino`.
        precision: Arithmetic of OpenVINO; None: that of the weights.
        seed: Seed of the pixels.
        timing: Arguments of `measure`.

    Returns:
        A record like those of `profile_model`, without agreement of the logits.

    Raises:
        UserError: The file cannot run so.
    """
    target, shape = resolve_device(device), form.shape(batch, size)
    cost: GraphCost = graph_cost(read_model(path), shape)
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, shape, np.uint8) if form.type is np.uint8 else random.random(shape, np.float32)
    memory = Memory(target)
    make = _openvino if backend == "openvino" else _onnxruntime
    step = make(path, form, output, np.ascontiguousarray(images.astype(form.type, copy=False)), target, precision)
    timed = measure(step, lambda: None, batch=batch, **timing)
    memory.measure_peak(step, lambda: None)
    circumstances = environment(target)
    circumstances["versions"] |= package_versions(["onnx", backend])
    return {
        "size": list(size),
        "batch": batch,
        "params": cost.params,
        "macs": cost.macs,
        **latencies((timed, None)),
        "peak_memory_mb": memory.peak_mb,
        **circumstances,
        "backend": backend,
        "precision": precision or cost.precision,
        "graph": GRAPH,
        "miou_val": None,
    }


def _onnxruntime(
    path: Path, form: InputForm, output: str, images: np.ndarray, device: torch.device, _: str | None
) -> Callable[[], None]:
    """Return a function that runs the file once by ONNX Runtime, with the input bound."""
    onnxruntime = require("onnxruntime", "an ONNX file")
    session = open_session(path, device.type, torch.get_num_threads(), SESSION)
    binding = session.io_binding()
    binding.bind_ortvalue_input(form.name, onnxruntime.OrtValue.ortvalue_from_numpy(images, device.type, 0))
    binding.bind_output(output, device.type)

    def step() -> None:
        try:
            session.run_with_iobinding(binding)
        except Exception as error:  # its error types are private
            raise UserError(f"{path} cannot run on images of shape {images.shape} ({reason(error)})") from error

    return step


def _openvino(
    path: Path, form: InputForm, output: str, images: np.ndarray, device: torch.device, precision: str | None
) -> Callable[[], None]:
    """Return a function that runs the file once by OpenVINO, set as backend `openvino` is."""
    library: Any = require("openvino", "backend openvino")
    if device.type != "cpu":
        raise UserError(f"backend openvino runs on the CPU, found device {device.type}; choose another backend")
    try:
        core = library.Core()
        model = core.read_model(read_model(path), b"")
        model.reshape({form.name: list(images.shape)})
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": HINTS[precision or "fp32"],
        }
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        request.set_tensor(form.name, library.Tensor(images, shared_memory=True))
        request.infer()
    except RuntimeError as error:
        raise UserError(f"{path} cannot run by OpenVINO ({reason(error)}); leave out the backend") from error
    return request.infer
