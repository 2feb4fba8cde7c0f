"""Profiling backends: one file each, with a `Backend` under `@BACKENDS.register_module(name="<name>")`.

A backend imports its optional library in its constructor, so that the others work without it.
"""

from ssr_mmseg.profiling.backends.base import BACKENDS, Backend, create_backend
from ssr_mmseg.utils.registry import import_modules

__all__ = ["BACKENDS", "Backend", "create_backend"]

import_modules(__path__, __name__)
