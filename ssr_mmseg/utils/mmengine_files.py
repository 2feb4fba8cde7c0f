"""Read mmengine config files."""

from pathlib import Path

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from ssr_mmseg.utils.errors import UserError


def read_mmengine_file(file: Path) -> Config:
    """Read an mmengine config file and its bases.

    Raises:
        UserError: It is not a valid config.
    """
    # mmengine looks up the bases `mmseg::…` in a distribution `mmsegmentation`; the module's own name always works
    MODULE2PACKAGE["mmseg"] = "mmseg"
    try:
        return Config.fromfile(file)
    except Exception as error:  # the file is Python and may raise anything
        raise UserError(f"{file} is not a valid mmengine config: {error}; correct it") from error
