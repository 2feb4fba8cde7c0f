"""Reading of mmengine config files, with errors in one line."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from ssr_mmseg.utils.errors import UserError


def read_mmengine_config(file: Path, name: str) -> Config:
    """Read an mmengine config file, and import the modules that it names in `custom_imports`.

    Args:
        name: The file's name, for messages.

    Raises:
        UserError: It is not a valid config, or a module cannot be imported.
    """
    try:
        with _onedl_bases():
            config = Config.fromfile(file, import_custom_modules=False)
    except Exception as error:  # the file is Python and may raise anything
        raise UserError(f"{name} is not a valid mmengine config: {error}; correct it") from error
    _import_modules(config.get("custom_imports") or {}, name)
    return config


@contextmanager
def _onedl_bases() -> Iterator[None]:
    """Let `_base_ = ["mmseg::…"]` find the configs of mmseg, which mmengine looks for in the package mmsegmentation.

    The package that is installed is onedl-mmsegmentation.
    """
    package = MODULE2PACKAGE["mmseg"]
    MODULE2PACKAGE["mmseg"] = "mmseg"
    try:
        yield
    finally:
        MODULE2PACKAGE["mmseg"] = package


def _import_modules(custom_imports: Any, origin: str) -> None:
    """Import the modules of `custom_imports` as mmengine does, but say which one fails, and why."""
    if not isinstance(custom_imports, Mapping):
        raise UserError(f"{origin}: custom_imports: expected a dict, found {custom_imports!r}")
    names = custom_imports.get("imports") or []
    for name in [names] if isinstance(names, str) else names:
        try:
            importlib.import_module(name)
        except Exception as error:  # the module may raise anything
            if custom_imports.get("allow_failed_imports"):
                continue
            hint = "".join(
                f"; did you mean {close}?" for close in get_close_matches(str(name), _siblings(str(name)), n=1)
            )
            raise UserError(f"{origin}: custom_imports: could not import {name}: {error}{hint}") from error


def _siblings(name: str) -> list[str]:
    """Return the names of the modules in the same, imported, package as a module."""
    package = name.rpartition(".")[0]
    modules = pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", []))
    return [f"{package}.{module.name}" for module in modules]
