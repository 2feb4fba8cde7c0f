"""Which device a stage runs on, and the memory it took there."""

import functools
import os
import resource
import shutil
import sys

import torch
from torch import Tensor

from ssr_mmseg.utils.errors import UserError


def resolve_device(name: str) -> torch.device:
    """Turn a device name of the configuration into a device of this machine.

    Args:
        name: `auto` (CUDA where there is a usable GPU, else the CPU), `cpu` or `cuda`.

    Raises:
        UserError: another name, or `cuda` on a machine where torch can use no GPU.
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
            f"device cuda was asked for, but torch {torch.__version__} ({build}) finds no usable GPU here; "
            "use device auto or cpu, or check the driver and the torch build"
        )
    return torch.device("cpu")


@functools.cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Fixed numbers as a tensor (len(values),), made once for each device: the copy waits for all that a GPU has to do.

    It is shared, so that nobody may write to it.
    """
    with torch.inference_mode(False):  # whoever asks first may be timing a network, the next one may be training
        return torch.tensor(values, dtype=dtype, device=device)


COMPILERS = {"cpu": ("C++", "CXX", ("g++", "clang++")), "cuda": ("C", "CC", ("gcc", "clang"))}


def check_compiler(kind: str, who: str) -> None:
    """Raise `UserError` unless there is the compiler that `torch.compile` calls for a type of device.

    On a CPU it builds the kernels, on a GPU what starts Triton's.
    """
    language, variable, names = COMPILERS[kind]
    found = [os.environ[variable]] if os.environ.get(variable) else names
    if not any(map(shutil.which, found)):
        raise UserError(f"{who} needs a {language} compiler ({' or '.join(found)}); install one or set {variable}")


def peak_memory_gb() -> float:
    """Peak memory of this process in 10⁹ bytes: of the GPU if one was used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # Linux counts in KiB, macOS in bytes
