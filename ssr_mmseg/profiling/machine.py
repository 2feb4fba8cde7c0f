"""Where a measurement was made: the device, its limits, the software."""

import platform
import subprocess
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
        `device` (its name), `device_type`, `threads` (of torch on the CPU), `versions`, and for a GPU its clocks (MHz)
        and power limit (W) at this moment; these are None on a CPU and where the driver does not tell.
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
