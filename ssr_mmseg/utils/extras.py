"""Optional packages: which extra of this package installs each of them."""

import importlib
from types import ModuleType

from ssr_mmseg.utils.errors import UserError

# Modules of the extras in pyproject.toml. One that several extras install has the one that needs the least besides.
EXTRAS = {
    **dict.fromkeys(("PIL", "cv2", "numpy", "onnxruntime", "tqdm"), "runtime"),
    **dict.fromkeys(("cityscapesscripts", "mmcv", "mmengine", "mmseg"), "train"),
    **dict.fromkeys(("onnx", "onnxscript", "pandas", "scipy", "torch"), "train"),
    **dict.fromkeys(("altair", "jinja2", "vl_convert"), "report"),
    "openvino": "openvino",
    "snakemake": "workflow",
    "tensorboard": "tensorboard",
}


def require(module: str, user: str) -> ModuleType:
    """Import a module that only `user`, a backend or a command, needs.

    Raises:
        UserError: The package is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        message = missing_package(error, user)
        if message is None:
            raise
        raise message from error
    except ImportError as error:
        raise UserError(f"{user} needs {module}, which cannot be imported: {error}; install it again") from error


def missing_package(error: ModuleNotFoundError, user: str) -> UserError | None:
    """Return the message for an optional package that is not installed; None if it is a module of another kind."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return UserError(f"{user} needs {package}, which is not installed; run: {install_command(package)}")


def install_command(package: str) -> str:
    """Return the command that installs a package with the extra that it belongs to."""
    return f"pip install 'ssr-mmseg[{EXTRAS[package]}]'"
