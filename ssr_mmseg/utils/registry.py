"""Plug-ins: classes in an mmengine `Registry`, built from a name or from `{type: NAME, **arguments}`.

A plug-in is one file in the folder of its kind: the folder's `__init__.py` imports every file of it, and the class
registers itself under the name that configurations use. A file outside the package registers the same way, once it is
imported (`custom_imports` of an mmengine config).
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.registry import Registry

from ssr_mmseg.utils.errors import UserError


def import_modules(path: Iterable[str], package: str) -> None:
    """Import every module of a folder, so that the classes in it register themselves.

    Args:
        path: `__path__` of the package.
        package: Its name.
    """
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")


def registered(registry: Registry, name: str, kind: str) -> type:
    """Return the class that is registered under `name`.

    mmengine's `Registry.get` is not used: it first searches the registries of other packages, and logs that.

    Args:
        kind: The kind of plug-in, such as `regularizer`, for the message.

    Raises:
        UserError: No class has that name.
    """
    classes = registry.module_dict
    if name not in classes:
        close = get_close_matches(name, classes, n=1)
        hint = f" did you mean {close[0]}?" if close else ""
        raise UserError(f"unknown {kind} {name!r};{hint} choose one of: {', '.join(sorted(classes))}")
    return classes[name]


def build(registry: Registry, config: str | Mapping[str, Any], kind: str, **arguments: Any) -> Any:
    """Build a plug-in.

    Args:
        config: A name, or a mapping of `type` (the name) and the user's arguments.
        kind: The kind of plug-in, such as `regularizer`, for messages.
        arguments: Further arguments, supplied by the caller.

    Raises:
        UserError: No class has that name, or its arguments are wrong.
    """
    options = {"type": config} if isinstance(config, str) else dict(config)
    name = options.pop("type", None)
    if not isinstance(name, str):
        raise UserError(f"{kind}: expected a name or a mapping with the key type, found {config!r}")
    plug_in = registered(registry, name, kind)
    try:
        inspect.signature(plug_in).bind(**options, **arguments)
    except TypeError as error:
        accepted = [parameter for parameter in inspect.signature(plug_in).parameters if parameter not in arguments]
        raise UserError(f"{kind} {name}: {error}; its arguments are: {', '.join(accepted) or 'none'}") from None
    return plug_in(**options, **arguments)
