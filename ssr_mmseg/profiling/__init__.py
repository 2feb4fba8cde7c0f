"""Profile any network that maps images to logits: parameters, multiply-adds, latency and memory."""

from ssr_mmseg.profiling.backends import BACKENDS, Backend, create_backend
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.profiling.model_size import count_macs, count_parameters
from ssr_mmseg.profiling.profile_model import profile_model
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
