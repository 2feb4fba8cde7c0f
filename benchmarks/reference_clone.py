"""Temporary copies of files of the reference's repository, from a checkout or a bare clone."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ssr_mmseg.utils.errors import UserError


@contextmanager
def copy_files(clone: Path, files: Sequence[str]) -> Iterator[Path]:
    """Copy the folder of a clone that holds all of `files` to a temporary one, which is deleted at the end.

    Raises:
        UserError: There is no such folder, or the path is not a clone.
    """
    with tempfile.TemporaryDirectory() as name:
        source = clone
        if (clone / "HEAD").is_file():  # bare
            source = Path(name) / "clone"
            command = ["git", "clone", "--quiet", str(clone), str(source)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise UserError(f"git cannot clone {clone}: {done.stderr.strip().splitlines()[-1]}; give another clone")
        folders = [path.parent for path in sorted(source.rglob(files[0]))]
        complete = [folder for folder in folders if all((folder / file).is_file() for file in files)]
        if not complete:
            names = ", ".join(files)
            raise UserError(f"{clone} has no folder with {names}; give a clone of Sunshine-Ye/IJCV22-SSR")
        yield Path(shutil.copytree(complete[0], Path(name) / "copy"))
