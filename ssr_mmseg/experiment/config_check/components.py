"""Check that the `type` of a config is registered, that its arguments fit the class, and that it can be built."""

import copy
import inspect
import re
from collections.abc import Callable, Collection
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import Registry

from ssr_mmseg.experiment.config_check.place import Place
from ssr_mmseg.utils.errors import UserError

RESERVED = ("type", "_scope_", "_delete_")
CLOSED_PACKAGES = ("ssr_mmseg", "mmengine")  # whose loops and wrappers pass further arguments to their base class


def component(place: Place, registry: Registry, kind: str, default: str | None = None) -> Any:
    """Return the class that a config names as `type`.

    Args:
        registry: Where it is looked up, also in the registries of mmengine and mmcv.
        kind: What it is, such as `optimizer`, for messages.
        default: The type of a config without one; by default it is required.

    Raises:
        UserError: The config is not a dict with a `type`, or no such class is registered.
    """
    place.mapping()
    name = place.value.get("type", default)
    if name is None:
        raise place.require("type", f"name a {kind}").error(f"expected the name of a {kind}, found None")
    if not isinstance(name, str):
        if callable(name):
            return name
        kind_place = place.at("type")
        raise kind_place.error(f"expected the name of a {kind}, found {kind_place.shown}", str(name))
    found = lookup(registry, name)
    if found is None:
        place = place.at("type")
        raise place.unknown(f"unknown {kind}", name, registered_names(registry))
    return found


def lookup(registry: Registry, name: str) -> Any:
    """Return the class of a name, or None."""
    try:
        return registry.get(name)
    except Exception:  # a dotted name is imported, which may raise anything
        return None


def registered_names(registry: Registry | None) -> set[str]:
    """Return the names in a registry and its parents."""
    names: set[str] = set()
    while registry is not None:
        names |= set(registry.module_dict)
        registry = registry.parent
    return names


def check_arguments(
    place: Place, target: Any, supplied: Collection[str] = (), extra: Collection[str] = (), bases: bool = False
) -> None:
    """Check the keys of a config against the signature of its class.

    Args:
        supplied: Arguments that the runner or the workflow sets.
        extra: Further keys that are allowed.
        bases: Whether the class, if it is of this project or mmengine, passes further arguments to its base class.

    Raises:
        UserError: A key is no argument, or a required argument is missing. A class with `**arguments` accepts any.
    """
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # of a class written in C
        return
    any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters if parameter.kind not in _VARIABLE}
    if any_name and bases and target.__module__.split(".")[0] in CLOSED_PACKAGES:
        names, any_name = argument_names(target), False
    for key in place.value:
        if not any_name and key not in {*names, *extra, *RESERVED}:
            raise place.at(key).unknown(f"{_name(target)} has no argument", str(key), names - set(supplied))
    for parameter in parameters:
        required = parameter.default is parameter.empty and parameter.kind not in _VARIABLE
        if required and parameter.name not in {*place.value, *supplied}:
            place.require(parameter.name, f"{_name(target)} needs it")


_VARIABLE = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def argument_names(target: Any) -> set[str]:
    """Return the arguments of a class and, as long as they accept any, of the classes that it is derived from."""
    names: set[str] = set()
    for base in target.__mro__ if inspect.isclass(target) else ():
        if base is object or "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names |= {parameter.name for parameter in parameters if parameter.kind not in _VARIABLE}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names


def build(place: Place, build_config: Callable[[Any], Any], registry: Registry) -> Any:
    """Build a component from a copy of its config.

    Args:
        build_config: Called with the copy.
        registry: Where the component is registered.

    Raises:
        UserError: The component could not be built.
    """
    try:
        return build_config(ConfigDict(copy.deepcopy(place.value)))
    except Exception as error:  # a constructor may raise anything
        wrong = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        owner = place.find(wrong[1]) if wrong else None
        if wrong and owner:
            name = owner.value.get("type", "")
            target = lookup(registry, name) if isinstance(name, str) else name
            what = f"{_name(target) if target else name} has no argument"
            raise owner.at(wrong[1]).unknown(what, wrong[1], argument_names(target)) from error
        missing = re.search(r"'?([\w.]+) is not in the [\w:]+ registry", str(error))
        if missing:
            raise place.unknown("unknown type", missing[1], registered_names(registry)) from error
        reason = str(error) if isinstance(error, UserError) else " ".join(str(error).split())[:300]
        raise place.error(f"cannot be built: {reason or type(error).__name__}") from error


def _name(target: Any) -> str:
    return getattr(target, "__name__", str(target))
