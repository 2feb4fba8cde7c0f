"""Circumstances of a measurement: device, clocks, power limit, software versions, and memory."""

import platform
import re
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssr_mmseg.profiling.hardware import GPU_FIELDS, cpu_clock, cpu_name, query_gpu


def environment(device: torch.device) -> dict[str, Any]:
    """Describe the device and the software as JSON values.

    Returns:
        `device` (its name), `device_type`, `threads` (of torch on the CPU), `versions`, `cpu_clock_mhz` (the current
        clock of the fastest core), and for a GPU its current clocks (MHz) and power limit (W). Values that the system
        or the driver does not report are None.
    """
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name, gpu = properties.name, query_gpu(f"GPU-{properties.uuid}")
    else:
        name, gpu = cpu_name(), dict.fromkeys(GPU_FIELDS)
    return {
        "device": name,
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "cpu_clock_mhz": cpu_clock(),
        **gpu,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        },
    }


def package_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each distribution in `packages` that is installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # perhaps installed under another name, such as onnxruntime-gpu
    return versions


class Memory:
    """Peak memory that a backend needs on a device beyond what is in use now, in 10⁶ bytes.

    On a GPU this counts torch's allocations only; on a CPU, the growth of the process's resident memory.

    Attributes:
        peak_mb: The result of `measure_peak`; None before, and if the system does not report it.
    """

    peak_mb: float | None = None

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.held = torch.cuda.memory_allocated(device) if device.type == "cuda" else _resident("VmRSS")

    def measure_peak(self, step: Callable[[], object], synchronize: Callable[[], None]) -> None:
        """Record the peak of one run of `step`, after others: first runs also allocate what libraries try out."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            step()
            synchronize()
            self.peak_mb = (torch.cuda.max_memory_allocated(self.device) - (self.held or 0)) / 1e6
        elif self.held is not None and _reset_peak():
            step()
            peak = _resident("VmHWM")
            self.peak_mb = None if peak is None else max(peak - self.held, 0) / 1e6


def _resident(field: str) -> int | None:
    """Return the resident memory of this process, now (`VmRSS`) or at its peak (`VmHWM`), in bytes."""
    try:
        match = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        return None  # not Linux
    return int(match[1]) * 1024 if match else None


def _reset_peak() -> bool:
    """Reset the peak of the resident memory; return False if the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
