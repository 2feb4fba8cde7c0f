"""Backends of the profiling registry, started by name and precision for the many modules of a latency table."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ssr_mmseg.profiling import BACKENDS, Backend
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.utils.errors import UserError

__all__ = ["Start", "arithmetic", "starter"]

Start = Callable[[nn.Module, Tensor], Backend]


def starter(name: str, precision: str, device: torch.device) -> Start:
    """A function that puts a module on the device and prepares it for one batch (N, C, H, W).

    Raises:
        UserError: there is no such backend, or it does not offer the precision.
    """
    if name not in BACKENDS:
        raise UserError(f"unknown profiling backend {name!r}; choose one of: {', '.join(sorted(BACKENDS))}")
    kind = BACKENDS[name]
    offered = getattr(kind, "precisions", (kind.precision,))
    if precision not in offered:
        raise UserError(f"backend {name} does not offer precision {precision!r}; choose one of: {', '.join(offered)}")

    def start(module: nn.Module, batch: Tensor) -> Backend:
        backend = kind(module, device, precision) if len(offered) > 1 else kind(module, device)  # type: ignore[call-arg]
        calibrate = getattr(backend, "calibrate", None)
        if precision == "int8" and calibrate is not None:
            calibrate(batch)
        backend.prepare(batch)
        return backend

    return start
