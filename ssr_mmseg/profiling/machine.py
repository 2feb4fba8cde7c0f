"""Where a measurement was made: the device, its limits, the software."""

import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

# field of the record: what nvidia-smi calls it
GPU_FIELDS = {
    "sm_clock_mhz": "clocks.sm",
    "sm_clock_max_mhz": "clocks.max.sm",
    "memory_clock_mhz": "clocks.mem",
    "power_limit_w": "power.limit",
}


def environment(device: torch.device) -> dict[str, Any]:
    """Describe the device and the software as JSON values.

    Returns:
        `device` (its name), `device_type`, `threads` (of torch on the CPU), `versions`, `cpu_clock_mhz` (the fastest
        core's at this moment), and for a GPU its clocks (MHz) and power limit (W) at this moment; None for whatever the
        system or the driver does not tell.
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


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model name of the processor; its architecture where the system does not tell the model."""
    try:
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def cpu_clock(cpuinfo: Path = Path("/proc/cpuinfo")) -> float | None:
    """Clock of the fastest core at this moment, MHz; None where the system does not tell."""
    try:
        clocks = re.findall(r"^cpu MHz\s*: *([\d.]+)$", cpuinfo.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        return None
    return max(map(float, clocks), default=None)


def package_versions(packages: Sequence[str]) -> dict[str, str]:
    """Version of each installed distribution among `packages`."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # a build under another name, such as onnxruntime-gpu
    return versions


class Memory:
    """What a backend needs of the device's memory; `peak_mb` is None where the system does not tell.

    torch counts its own allocations on a GPU. Of other libraries there, and of everything on the CPU, the growth of
    what the device or the process holds is taken.
    """

    peak_mb: float | None = None

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.held = torch.cuda.memory_allocated(device) if device.type == "cuda" else _resident("VmRSS")

    def peak_of(self, step: Callable[[], object], synchronise: Callable[[], None]) -> None:
        """Run once more and note the peak: the first runs also hold what libraries try out."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            step()
            synchronise()
            self.peak_mb = (torch.cuda.max_memory_allocated(self.device) - (self.held or 0)) / 1e6
        elif self.held is not None and _forget_peak():
            step()
            peak = _resident("VmHWM")
            self.peak_mb = None if peak is None else max(peak - self.held, 0) / 1e6


@contextmanager
def memory_of(device: torch.device) -> Iterator[Memory]:
    """Measure from here on; see `Memory`."""
    yield Memory(device)


def _resident(field: str) -> int | None:
    """Resident memory of this process now (`VmRSS`) or at its peak (`VmHWM`), in bytes."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        return None  # not Linux
    return int(found[1]) * 1024 if found else None


def _forget_peak() -> bool:
    """Let the peak of the resident memory start anew; False where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def query_gpu(identifier: str) -> dict[str, float | None]:
    """Ask nvidia-smi for the clocks and the power limit of one GPU; None for whatever it does not tell."""
    command = ["nvidia-smi", f"--id={identifier}", f"--query-gpu={','.join(GPU_FIELDS.values())}"]
    command.append("--format=csv,noheader,nounits")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(GPU_FIELDS)
    values = answer.stdout.strip().split(",")
    if len(values) != len(GPU_FIELDS):
        return dict.fromkeys(GPU_FIELDS)
    return dict(zip(GPU_FIELDS, map(_number, values), strict=True))


def _number(text: str) -> float | None:
    """Read a number; `[N/A]` and its like are None."""
    try:
        return float(text)
    except ValueError:
        return None
