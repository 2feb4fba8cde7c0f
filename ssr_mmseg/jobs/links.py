"""Refusal of links in the folder of results that would lead writes elsewhere, as copied results may contain.

A link in place of `results` itself, or one that stays within it, is the user's own arrangement. Must not import torch:
the Snakefile imports this module.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError


def check_links(files: Iterable[str | Path]) -> None:
    """Refuse to write files through links that lead out of the folder of results.

    Args:
        files: Paths of results, logs and other files that will be written. Others than results are not checked.

    Raises:
        UserError: The first such link and where it leads.
    """
    root = os.path.realpath(paths.RESULTS)
    seen: set[Path] = {paths.RESULTS}
    for file in files:
        path = Path(os.path.relpath(file))
        for part in (path, *path.parents):
            if part in seen or paths.RESULTS not in part.parents:
                break
            seen.add(part)
            if part.is_symlink() and not _inside(os.path.realpath(part), root):
                raise UserError(
                    f"{part} is a link to {os.path.realpath(part)}, which is outside of {paths.RESULTS}; nothing is "
                    "written through it: delete it, or replace it by a copy"
                )


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
