"""Profiling backends: one file each, a subclass of `Backend` under `@register(name)`, which nothing else names.

A library that only one backend needs is imported in its constructor, so that the other backends run without it.
"""

import importlib
import pkgutil

from ssr_mmseg.profiling.backends.base import BACKENDS, Backend, create, register

__all__ = ["BACKENDS", "Backend", "create", "register"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
