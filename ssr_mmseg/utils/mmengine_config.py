"""Read mmengine config files."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from ssr_mmseg.utils.errors import UserError

FORKS = {"mmseg": "onedl-mmsegmentation"}  # the maintained forks of OpenMMLab's packages, by module


def read_mmengine_config(file: Path) -> Config:
    """Read an mmengine config, which may have bases inside of mmseg (`_base_ = ["mmseg::…"]`).

    Raises:
        UserError: It is not a valid config.
    """
    for module, fork in FORKS.items():
        if not _is_installed(MODULE2PACKAGE[module]) and _is_installed(fork):
            MODULE2PACKAGE[module] = fork  # mmengine looks for the original package only
    try:
        return Config.fromfile(file)
    except Exception as error:  # the file is Python and may raise anything
        raise UserError(f"{file} is not a valid mmengine config: {error}; correct it") from error


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
