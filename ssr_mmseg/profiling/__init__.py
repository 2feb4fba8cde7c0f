"""Profile any network that maps images to logits: what it costs and how fast it runs.

A backend is one file of this folder: a subclass of `Backend` under `@register(name)`. Nothing else names it. A library
that only it needs is imported in its constructor, so that the other backends run without.
"""

import importlib
import pkgutil

from ssr_mmseg.profiling.backend import BACKENDS, Backend, create, register
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.profiling.macs import count_macs, count_parameters
from ssr_mmseg.profiling.protocol import Timing, measure
from ssr_mmseg.profiling.record import profile_model

__all__ = [
    "BACKENDS",
    "Backend",
    "Timing",
    "count_macs",
    "count_parameters",
    "create",
    "environment",
    "measure",
    "profile_model",
    "register",
]


def _import_backends() -> None:
    """Import every file of this folder, so that each backend registers itself."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


_import_backends()
