"""Names of a package that are imported when they are first used (PEP 562), so that importing the package is quick."""

import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: Its `__name__`.
        places: Where each name is, as `module:name`.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = pkgutil.resolve_name(places[name])
        setattr(sys.modules[package], name, value)
        return value

    return get
