"""Losses on gate groups that drive a search towards discrete choices: one file each, chosen by name.

To add one, put a file here that defines a `Regularizer`; its name in a configuration is the file's.
"""

import importlib
import pkgutil

from ssr_mmseg.search.regularizers.base import Regularizer
from ssr_mmseg.utils.errors import UserError


def build_regularizer(name: str) -> Regularizer:
    """The regularizer of `regularizers/<name>.py`.

    Raises:
        UserError: there is no such file.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    if name not in known:
        raise UserError(f"unknown regularizer {name}; known are: {', '.join(known)}")
    module = importlib.import_module(f"{__name__}.{name}")
    kinds = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Regularizer) and kind.__module__ == module.__name__
    ]
    return kinds[0]()
