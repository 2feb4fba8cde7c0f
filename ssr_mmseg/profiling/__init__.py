"""Profile any network that maps images to logits: parameters, multiply-adds, latency and memory.

Importing this package does not import torch: `bench` times exported files where there is none. Each name below is
imported when it is first used.
"""

from typing import TYPE_CHECKING

from ssr_mmseg.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from ssr_mmseg.profiling.backends import BACKENDS, Backend, create_backend
    from ssr_mmseg.profiling.machine import environment
    from ssr_mmseg.profiling.model_size import count_macs, count_parameters
    from ssr_mmseg.profiling.profiler import profile_model
    from ssr_mmseg.profiling.timing import Timing, measure

__all__ = [
    "BACKENDS",
    "Backend",
    "Timing",
    "count_macs",
    "count_parameters",
    "create_backend",
    "environment",
    "measure",
    "profile_model",
]

_PLACES = {
    "BACKENDS": "ssr_mmseg.profiling.backends:BACKENDS",
    "Backend": "ssr_mmseg.profiling.backends:Backend",
    "Timing": "ssr_mmseg.profiling.timing:Timing",
    "count_macs": "ssr_mmseg.profiling.model_size:count_macs",
    "count_parameters": "ssr_mmseg.profiling.model_size:count_parameters",
    "create_backend": "ssr_mmseg.profiling.backends:create_backend",
    "environment": "ssr_mmseg.profiling.machine:environment",
    "measure": "ssr_mmseg.profiling.timing:measure",
    "profile_model": "ssr_mmseg.profiling.profiler:profile_model",
}

__getattr__ = lazy_names(__name__, _PLACES)


def __dir__() -> list[str]:
    return __all__
