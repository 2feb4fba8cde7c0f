"""Devices: selection, cached constants, compiler check and peak memory."""

import functools
import os
import resource
import shutil
import sys

import torch
from torch import Tensor

from ssr_mmseg.utils.errors import UserError


def resolve_device(name: str) -> torch.device:
    """Return the device of this machine for a device name of the configuration.

    Args:
        name: `auto` (CUDA if there is a usable GPU, otherwise the CPU), `cpu` or `cuda`.

    Raises:
        UserError: The name is unknown, or it is `cuda` and torch cannot use a GPU here.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"expected device auto, cpu or cuda, found {name!r}; correct the device setting")
    if name == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if name == "cuda":
        build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise UserError(
            f"expected a GPU for device cuda, but torch {torch.__version__} ({build}) finds no usable GPU here; "
            "use device auto or cpu, or check the driver and the torch build"
        )
    return torch.device("cpu")


@functools.cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return fixed numbers as a tensor (len(values),), cached per device because each copy synchronizes with the GPU.

    The tensor is shared; do not write to it.
    """
    with torch.inference_mode(False):  # the first caller may be timing a network, a later one may be training
        return torch.tensor(values, dtype=dtype, device=device)


# Language, environment variable and default compilers by type of device.
COMPILERS = {"cpu": ("C++", "CXX", ("g++", "clang++")), "cuda": ("C", "CC", ("gcc", "clang"))}


def check_compiler(device_type: str, user: str) -> None:
    """Check that the compiler that `torch.compile` needs on a type of device is installed.

    On a CPU it builds the kernels, on a GPU the launchers of Triton's kernels.

    Args:
        device_type: `cpu` or `cuda`.
        user: The part of the project that needs the compiler, for the message.

    Raises:
        UserError: The compiler is not installed.
    """
    language, variable, names = COMPILERS[device_type]
    candidates = [os.environ[variable]] if os.environ.get(variable) else names
    if not any(map(shutil.which, candidates)):
        raise UserError(
            f"{user} needs a {language} compiler ({' or '.join(candidates)}); install one or set {variable}"
        )


def peak_memory_gb() -> float:
    """Return the peak memory of this process in 10⁹ bytes: GPU memory if a GPU was used, otherwise resident memory."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # Linux counts in KiB, macOS in bytes
