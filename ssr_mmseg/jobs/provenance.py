"""Provenance of a result: commit, package versions, Python and machine."""

import platform
import subprocess
from importlib import metadata

from ssr_mmseg import __version__
from ssr_mmseg.settings.paths import INSTALLED, PROJECT

# Keys of results that differ between equal runs: they depend on the machine and its load.
VOLATILE = frozenset({"hours", "peak_gb", "data_wait_share", "provenance", "commit"})
PACKAGES = ("ssr-mmseg", "torch", "onedl-mmcv", "onedl-mmengine", "onedl-mmsegmentation", "numpy")


def commit() -> str:
    """Return the commit of the project's checkout, followed by `+` if files differ from it; empty without one.

    Of an installed package it is the name of its version.
    """
    if INSTALLED:
        return f"v{__version__}"
    try:
        if _git("rev-parse", "--show-prefix"):  # a folder inside of another repository
            return ""
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def provenance() -> dict:
    """Return commit, package versions, Python version and processor architecture of this process."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = ""
    return {
        "commit": commit(),
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
