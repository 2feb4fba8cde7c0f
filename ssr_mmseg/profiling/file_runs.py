"""Runs of an ONNX file as it is, by ONNX Runtime or OpenVINO, on a batch that stays on the device. Imports no torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.deploy.onnx_check import read_model
from ssr_mmseg.deploy.onnx_session import reason
from ssr_mmseg.profiling.openvino_core import openvino_core
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require

# Of a session that is timed: threads that keep spinning after a run would take cores from whatever runs next.
SESSION = {"session.force_spinning_stop": "1"}
# By default OpenVINO computes in bf16 if the processor can, so fp32 must be requested.
HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}


def openvino_settings(threads: int, precision: str) -> dict[str, Any]:
    """Return the settings of OpenVINO's CPU plugin for one stream that is tuned for latency."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": HINTS[precision],
    }


def onnxruntime_run(
    session: Any, path: Path, batch: np.ndarray, outputs: Sequence[str], device: str
) -> Callable[[], None]:
    """Return a function that runs a session once on a batch and waits for its result.

    Args:
        session: A session for a file with one input.
        path: The file, for messages.
        batch: The input.
        outputs: Names of the outputs to compute.
        device: `cpu` or `cuda`, where input and outputs stay.

    Raises:
        UserError: By the function, if the graph cannot run.
    """
    binding = session.io_binding()
    value = require("onnxruntime", "an ONNX file").OrtValue.ortvalue_from_numpy(batch, device, 0)
    binding.bind_ortvalue_input(session.get_inputs()[0].name, value)
    for output in outputs:
        binding.bind_output(output, device)

    def run(_: Any = value) -> None:  # the value lives as long as the function: the binding only has its address
        try:
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()
        except Exception as error:  # its error types are private
            raise UserError(
                f"{path} cannot run on images of shape {batch.shape} ({reason(error)}); choose another size"
            ) from error

    return run


def openvino_run(path: Path, batch: np.ndarray, threads: int, precision: str = "fp32") -> Callable[[], None]:
    """Return a function that runs a file with one input once by OpenVINO on the CPU.

    Args:
        path: The file.
        batch: The input.
        threads: CPU threads.
        precision: A key of `HINTS`.

    Raises:
        UserError: OpenVINO is not installed, or cannot run the file.
    """
    library: Any = require("openvino", "backend openvino")
    data = read_model(path)
    try:
        core = openvino_core()
        model = core.read_model(data, b"")
        model.reshape(list(batch.shape))
        request = core.compile_model(model, "CPU", openvino_settings(threads, precision)).create_infer_request()
        request.set_input_tensor(library.Tensor(batch, shared_memory=True))
        request.infer()
    except RuntimeError as error:
        raise UserError(f"{path} cannot run by OpenVINO ({reason(error)}); leave out the backend") from error

    def run(_: Any = batch) -> None:  # the batch lives as long as the function: the request only has its address
        request.infer()

    return run
