"""Files of the reference's repository, from a checkout or a bare clone that the user names."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ssr_mmseg.utils.errors import UserError


@contextmanager
def copied(clone: Path, files: Sequence[str]) -> Iterator[Path]:
    """A temporary copy of the folder of a clone that holds all of `files`.

    Raises:
        UserError: there is no such folder, or the path is no clone.
    """
    with tempfile.TemporaryDirectory() as name:
        source = clone
        if (clone / "HEAD").is_file():  # bare
            source = Path(name) / "clone"
            call = ["git", "clone", "--quiet", str(clone), str(source)]
            done = subprocess.run(call, capture_output=True, text=True)
            if done.returncode:
                raise UserError(f"git cannot clone {clone}: {done.stderr.strip().splitlines()[-1]}")
        folders = [path.parent for path in sorted(source.rglob(files[0]))]
        whole = [folder for folder in folders if all((folder / file).is_file() for file in files)]
        if not whole:
            wanted = ", ".join(files)
            raise UserError(f"{clone} has no folder with {wanted}; expected a clone of Sunshine-Ye/IJCV22-SSR")
        yield Path(shutil.copytree(whole[0], Path(name) / "copy"))
