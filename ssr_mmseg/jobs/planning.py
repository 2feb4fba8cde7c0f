"""Check the mmengine configs of an experiment while it is planned, in a process of its own.

The check needs torch and mmseg, which the Snakefile must not import. The files that have passed are remembered in
`.snakemake/`, so that planning costs nothing more until a config or an installed package changes. A cluster job, which
plans again, does not check: the stage that it runs does.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from ssr_mmseg import __version__
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.named_configs import NamedConfig, named_configs
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.files import read_json, write_json
from ssr_mmseg.utils.hashing import identity

PASSED = Path(".snakemake/ssr_mmseg_configs.json")  # digests of the configs that have passed, and of the packages
PROGRAM = "ssr_mmseg.experiment.config_check"
PACKAGES = ("torch", "onedl-mmcv", "onedl-mmengine", "onedl-mmsegmentation")


def check_plan(config: dict) -> None:
    """Check the mmengine configs that a completed configuration names and that have not passed before.

    Raises:
        UserError: The first mistake, with file, key and the nearest known name.
    """
    packages = packages_digest()
    before = _passed(packages)
    configs = {named.digest(): named for named in named_configs(config)}
    new = {digest: named for digest, named in configs.items() if digest not in before}
    if not new:
        return
    mistakes = find_mistakes(list(new.values()))
    if mistakes is None:
        return
    right = {digest for digest, mistake in zip(new, mistakes, strict=True) if mistake is None}
    if right:
        _remember(packages, before | right)
    for mistake in mistakes:
        if mistake is not None:
            raise UserError(mistake)


def find_mistakes(configs: Sequence[NamedConfig]) -> list[str | None] | None:
    """Check mmengine configs in another process, whose output is dropped.

    Returns:
        One line for each config with a mistake, None for the others; or None if mmseg is not installed here, because
        the jobs run in another environment.

    Raises:
        UserError: The process failed.
    """
    if importlib.util.find_spec("mmseg") is None:
        return None
    package = os.environ.get("SSR_MMSEG_PYTHONPATH", "" if paths.INSTALLED else str(paths.PROJECT))  # as in the rules
    search_path = filter(None, [package, os.environ.get("PYTHONPATH")])
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": os.pathsep.join(search_path)}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONSAFEPATH": "1"}
    result = subprocess.run(
        [sys.executable, "-m", PROGRAM],
        input=json.dumps([asdict(config) for config in configs]),
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode:
        last = next(iter(result.stderr.strip().splitlines()[-1:]), f"exit status {result.returncode}")
        raise UserError(f"could not check the mmengine configs: {one_line(last)}; run `ssr-mmseg doctor`")
    return [mistake if mistake is None else one_line(mistake) for mistake in json.loads(result.stdout)]


def packages_digest() -> str:
    """Return an identity of what the check depends on besides the configs: this package and those that it builds on.

    A class added to this package, or changed, has no version of its own: the times of its files count.
    """
    files = sorted(paths.PACKAGE.rglob("*.py"))
    times = [[str(file.relative_to(paths.PACKAGE)), file.stat().st_mtime_ns] for file in files]
    return identity([__version__, times, sys.version, *map(_version, PACKAGES)])


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _passed(packages: str) -> set[str]:
    """Return the digests of the configs that have passed with these packages."""
    try:
        record = read_json(PASSED)
        return set(record["passed"]) if record["packages"] == packages else set()
    except (UserError, KeyError, TypeError):  # missing, or not such a file
        return set()


def _remember(packages: str, passed: set[str]) -> None:
    try:
        write_json(PASSED, {"packages": packages, "passed": sorted(passed)})
    except (UserError, OSError):  # a folder that cannot be written to: the next plan checks again
        return
