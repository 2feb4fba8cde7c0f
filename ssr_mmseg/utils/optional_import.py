"""Import of optional dependencies, with the command that installs a missing one in the error."""

import importlib
from types import ModuleType

from ssr_mmseg.utils.errors import UserError


def require(module: str, user: str, install: str) -> ModuleType:
    """Import a module that only `user`, a backend or a command, needs.

    Raises:
        UserError: The package is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{user} needs {package}, which is not installed; run: {install}") from error
