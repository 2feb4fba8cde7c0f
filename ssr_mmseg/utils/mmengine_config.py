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

from ssr_mmseg.utils.config_bases import read_config_text
from ssr_mmseg.utils.errors import UserError, one_line


def read_mmengine_config(file: Path, name: str) -> Config:
    """Read an mmengine config file, and import the modules that it names in `custom_imports`.

    Args:
        name: The file's name, for messages.

    Raises:
        UserError: It is not a valid config, or a module cannot be imported.
    """
    if file.suffix == ".py":
        read_config_text(file)
    try:
        with _onedl_bases():
            config = Config.fromfile(file, import_custom_modules=False)
    except (Exception, SystemExit) as error:  # the file is Python and may raise anything
        if _is_stop(error):
            raise
        raise UserError(f"{name} is not a valid mmengine config: {_reason(error)}; correct it") from error
    _import_modules(config.get("custom_imports") or {}, name)
    return config


def _is_stop(error: BaseException) -> bool:
    """Whether an error is a request to stop this process, whose class is derived from `SystemExit`."""
    return isinstance(error, SystemExit) and type(error) is not SystemExit


def _reason(error: BaseException) -> str:
    return one_line(error, 300) if isinstance(error, Exception) and str(error) else f"it raises {error!r:.60}"


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
        raise UserError(f"{origin}: custom_imports: expected a dict, found {custom_imports!r:.60}")
    listed = custom_imports.get("imports") or []
    names = listed if isinstance(listed, list | tuple) else [listed]
    for name in names:
        if not isinstance(name, str) or not name.strip("."):
            raise UserError(
                f"{origin}: custom_imports: expected the name of a module or a list of them, found {name!r:.60}"
            )
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # the module may raise anything
            if _is_stop(error):
                raise
            if custom_imports.get("allow_failed_imports"):
                continue
            hint = "".join(f"; did you mean {close}?" for close in get_close_matches(name, _siblings(name), n=1))
            raise UserError(
                f"{origin}: custom_imports: could not import {one_line(name, 200)}: {_reason(error)}{hint}"
            ) from error


def _siblings(name: str) -> list[str]:
    """Return the names of the modules in the same, imported, package as a module."""
    package = name.rpartition(".")[0]
    modules = pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", []))
    return [f"{package}.{module.name}" for module in modules]
