"""Timing of an ONNX file as it is, by ONNX Runtime and by OpenVINO, with the clock and the threads of all networks."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssr_mmseg.deploy.graph_cost import GraphCost, graph_cost
from ssr_mmseg.deploy.onnx_check import read_model
from ssr_mmseg.deploy.onnx_session import open_session
from ssr_mmseg.deploy.rival_input import InputForm
from ssr_mmseg.profiling.file_runs import SESSION, onnxruntime_run, openvino_run
from ssr_mmseg.profiling.machine import Memory, environment, package_versions
from ssr_mmseg.profiling.profiler import latencies
from ssr_mmseg.profiling.timing import measure
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError

GRAPH = "file"  # instead of a form that the network is rewritten to


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
    pixels: np.ndarray = np.ascontiguousarray(images.astype(form.type, copy=False))
    threads = torch.get_num_threads()
    if backend != "openvino":
        step = onnxruntime_run(open_session(path, target.type, threads, SESSION), path, pixels, [output], target.type)
    elif target.type == "cpu":
        step = openvino_run(path, pixels, threads, precision or "fp32")
    else:
        raise UserError(f"backend openvino runs on the CPU, found device {target.type}; choose another backend")
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
