"""The command `init`: write a working folder that runs the workflow of the installed package."""

from difflib import get_close_matches
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.files import write_text

SNAKEFILE = """\
# Runs the workflow of the installed package ssr-mmseg on config/config.yaml, or on the file given by --configfile.
# Rules of your own can be added below.

from ssr_mmseg.settings import paths


module ssr:
    snakefile:
        str(paths.WORKFLOW)
    config:
        config


use rule * from ssr


onstart:
    ssr.onstart()


onsuccess:
    ssr.onsuccess()


onerror:
    ssr.onerror()
"""
IGNORED = ".snakemake/\n/data/\n/results/\n"


def init(folder: Path, example: str) -> None:
    """Write a Snakefile, a configuration and profiles into a folder, which may have other files.

    Args:
        folder: The folder, created if it does not exist.
        example: Name of the configuration in the project's `config` folder to begin with, such as `camvid`.

    Raises:
        UserError: There is no such configuration, or a file exists already; nothing is written then.
    """
    files = {"Snakefile": SNAKEFILE, ".gitignore": IGNORED, "config/config.yaml": _configuration(example)}
    for profile in ("default", "slurm"):
        name = f"profiles/{profile}/profile.yaml"
        files[name] = (paths.PROJECT / name).read_text(encoding="utf-8")
    for name in files:
        if (folder / name).exists():
            raise UserError(
                f"{folder / name} exists already; choose another folder, or delete it to have it written again"
            )
        for parent in (folder / name).parents:
            if parent.exists() and not parent.is_dir():
                raise UserError(f"{parent} is a file, expected a folder; choose another one")
    for name, content in files.items():
        write_text(folder / name, content)
    shown = one_line(folder)
    print(f"wrote {', '.join(files)} in {shown}")
    print(f"next: edit {shown}/config/config.yaml, then: cd {shown} && snakemake --cores all")


def _configuration(example: str) -> str:
    known = sorted(path.stem for path in (paths.PROJECT / "config").glob("*.yaml"))
    if example not in known:
        close = get_close_matches(example, known, n=1)
        hint = f" did you mean {close[0]}?" if close else ""
        raise UserError(f"unknown configuration {example};{hint} known are: {', '.join(known)}")
    return (paths.PROJECT / "config" / f"{example}.yaml").read_text(encoding="utf-8")
