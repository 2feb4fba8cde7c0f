"""Names, clocks and power limits of processors and GPUs, as the system reports them; without torch."""

import os
import platform
import re
import subprocess
from pathlib import Path

# field of the record: its name in nvidia-smi
GPU_FIELDS = {
    "sm_clock_mhz": "clocks.sm",
    "sm_clock_max_mhz": "clocks.max.sm",
    "memory_clock_mhz": "clocks.mem",
    "power_limit_w": "power.limit",
}


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model name, or its architecture if the system does not report the model."""
    try:
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def cpu_clock(cpuinfo: Path = Path("/proc/cpuinfo")) -> float | None:
    """Return the current clock of the fastest core in MHz, or None if the system does not report it."""
    try:
        clocks = re.findall(r"^cpu MHz\s*: *([\d.]+)$", cpuinfo.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        return None
    return max(map(float, clocks), default=None)


def query_gpu(identifier: str) -> dict[str, float | None]:
    """Ask nvidia-smi for the clocks and the power limit of one GPU; values that it does not report are None."""
    values = _nvidia_smi(identifier, ",".join(GPU_FIELDS.values())).split(",")
    if len(values) != len(GPU_FIELDS):
        return dict.fromkeys(GPU_FIELDS)
    return dict(zip(GPU_FIELDS, map(_number, values), strict=True))


def gpu_name(model: Path = Path("/proc/device-tree/model")) -> str:
    """Return the name of the first GPU that CUDA shows to this process, or of the board, or a general one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
    if name := _nvidia_smi(visible, "name"):
        return name.splitlines()[0]
    try:
        return model.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or "CUDA device"  # of a Jetson
    except OSError:
        return "CUDA device"


def _nvidia_smi(identifier: str, fields: str) -> str:
    """Return the values of a GPU's fields, separated by commas; empty if nvidia-smi is missing or fails."""
    command = ["nvidia-smi", f"--id={identifier}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _number(text: str) -> float | None:
    """Parse a number; `[N/A]` and the like are None."""
    try:
        return float(text)
    except ValueError:
        return None
