"""`ssr-mmseg doctor`: whether an experiment could run here, and what to do where it could not."""

import os
import platform
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.work_lock import NAME as CLAIM
from ssr_mmseg.training.checkpoint.work_lock import holder
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

PYTHON = ((3, 11), (3, 12))  # versions that the lock is tested on
DAY = 86400.0
OLD = 7 * DAY  # after which an unfinished training looks forgotten
FREE_GB = {"fail": 1, "warn": 10}
MEMORY_GB = 4
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One line: `level` is ok, warn or fail; `words` say what was found and, unless it is ok, what to do."""

    level: str
    subject: str
    words: str


def examine(config: dict) -> Iterator[Finding]:
    """Everything there is to say about this machine and folder for a completed configuration, in seconds."""
    yield from environment()
    yield from devices(config["device"])
    for dataset in settings.dataset_names(config):
        yield data(config, dataset)
    yield disk(Path("results"))
    yield lock()
    yield from unfinished()
    yield from tools()


def environment() -> Iterator[Finding]:
    """Python and the packages, beside the lock that the project is tested with."""
    version = platform.python_version()
    if tuple(map(int, platform.python_version_tuple()[:2])) in PYTHON:
        yield Finding("ok", "python", version)
    else:
        known = " or ".join(".".join(map(str, pair)) for pair in PYTHON)
        yield Finding("warn", "python", f"{version} is not among the tested ones; use {known}")
    lock_file, project = paths.PROJECT / "requirements.lock", paths.PROJECT / "pyproject.toml"
    if not lock_file.is_file():
        yield Finding("ok", "packages", "no requirements.lock beside the package to compare with")
        return
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", lock_file.read_text(encoding="utf-8"), re.MULTILINE))
    dependencies = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = {re.split(r"[<>=~! ;\[]", text)[0].lower() for text in dependencies}
    found = {name: _version(name) for name in pins}
    missing = sorted(name for name, have in found.items() if have is None and name.lower() in needed)
    other = [f"{name} {have}, not {pins[name]}" for name, have in found.items() if have not in (None, pins[name])]
    if missing:
        yield Finding("fail", "packages", f"{', '.join(missing)} missing; run `make setup`")
    elif other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        yield Finding("warn", "packages", f"{'; '.join(other[:3])}{more}; run `make setup` for the tested versions")
    else:
        yield Finding("ok", "packages", f"as in requirements.lock ({len(pins)} pins)")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package).partition("+")[0]  # a local version names a build, such as +cpu
    except metadata.PackageNotFoundError:
        return None


def devices(asked: str) -> Iterator[Finding]:
    """Processor, memory, and what torch can use of the device that the configuration asks for."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok", "cpu", f"{threads} threads")
    memory = psutil.virtual_memory().available / 1e9
    short = "" if memory >= MEMORY_GB else f", less than the {MEMORY_GB} GB that a small training takes; end something"
    yield Finding("warn" if short else "ok", "memory", f"{memory:.0f} GB available{short}")
    try:
        import torch

        from ssr_mmseg.utils.devices import resolve_device

        if resolve_device(asked).type == "cuda":
            names = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
            gpus = ", ".join(f"{gpu.name} with {gpu.total_memory / 1e9:.0f} GB" for gpu in names)
            yield Finding("ok", "device", gpus)
        elif asked == "auto" and shutil.which("nvidia-smi"):
            remedy = "install the torch build for your driver, or set device: cpu"
            yield Finding(
                "warn", "device", f"there is an NVIDIA driver, but torch {torch.__version__} sees no GPU; {remedy}"
            )
        else:
            yield Finding("ok", "device", f"cpu, torch {torch.__version__}")
    except UserError as error:
        yield Finding("fail", "device", str(error))
    except ImportError as error:
        yield Finding("fail", "device", f"torch cannot be imported: {error}; run `make setup`")


def data(config: dict, dataset: str) -> Finding:
    """Whether a dataset is prepared, or could be."""
    subject = f"data {dataset}"
    path = settings.manifest_path(config, dataset)
    if path.is_file():
        try:
            manifest = read_json(path)
            counts = ", ".join(f"{part['images']} {split}" for split, part in manifest["splits"].items() if part)
            there = Path(manifest["root"]).is_dir()
        except (UserError, KeyError, TypeError, AttributeError):
            return Finding("fail", subject, f"{path} is no dataset manifest; delete it and prepare the dataset again")
        if not there:
            return Finding(
                "fail", subject, f"{manifest['root']} is gone; put it back, or delete {path} to prepare again"
            )
        return Finding("ok", subject, f"prepared: {counts}")
    entry = settings.for_dataset(config, dataset)["dataset"]
    source = entry["source"]
    if entry["type"] == "streets":
        return Finding("ok", subject, "rendered when it is needed")
    if not source:
        return Finding("fail", subject, f"type {entry['type']} needs a source; see docs/datasets.md")
    if "://" not in source and not Path(source).expanduser().exists():
        return Finding("fail", subject, f"the source {source} is not there; put it there or correct the configuration")
    return Finding("ok", subject, f"prepared from {source} when it is needed")


def disk(results: Path) -> Finding:
    """Whether results can be written, and how much of them."""
    place = results if results.exists() else Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free / 1e9
    except OSError as error:
        return Finding("fail", "disk", f"cannot write in {place}: {error.strerror}; choose a folder by --directory")
    for level, least in FREE_GB.items():
        if free < least:
            return Finding(level, "disk", f"{free:.1f} GB free in {place}, expected {least}; free space")
    return Finding("ok", "disk", f"{free:.0f} GB free in {place}")


def lock() -> Finding:
    """Whether another Snakemake runs in this folder, or one that was killed left its lock."""
    locks = Path(".snakemake/locks")
    if not (locks.is_dir() and any(locks.iterdir())):
        return Finding("ok", "lock", "no snakemake runs in this folder")
    running = [process.pid for process in psutil.process_iter() if _runs_here(process)]
    if running:
        return Finding("ok", "lock", f"snakemake runs in this folder: process {', '.join(map(str, running))}")
    return Finding(
        "fail",
        "lock",
        "a snakemake that was killed left its lock: clear it with `snakemake --unlock`, unless one runs in this folder "
        "on another machine",
    )


def _runs_here(process: psutil.Process) -> bool:
    try:
        called = [Path(word).name for word in process.cmdline()[:4]]
        return "snakemake" in called and "--unlock" not in process.cmdline() and Path(process.cwd()) == Path.cwd()
    except psutil.Error:  # another user's, or gone
        return False


def unfinished() -> Iterator[Finding]:
    """Trainings that stand unfinished, and what killed processes were writing."""
    for work in sorted(Path("results/work").glob("*/")):
        states = [file.stat().st_mtime for file in work.glob("*.pth")]
        age = time.time() - max(states, default=work.stat().st_mtime)
        owner = holder(work / CLAIM)
        if owner:
            yield Finding("ok", "training", f"{work.name}: {owner}")
        elif age > OLD:
            remedy = f"run it again to resume, or delete {work}"
            yield Finding("warn", "training", f"{work.name} was left {age / DAY:.0f} days ago; {remedy}")
        else:
            yield Finding("ok", "training", f"{work.name} resumes when it is run again")
    patterns = ("*/prepare/.*.*", "*/seed*/*/.*.*", "*/seed*/*/*/.*.*")
    left = [path for pattern in patterns for path in Path("results").glob(pattern)]
    left = [path for path in left if time.time() - path.stat().st_mtime > DAY]
    if left:
        yield Finding("warn", "leftovers", f"killed processes left {left[0]} and {len(left) - 1} more; delete them")


def tools() -> Iterator[Finding]:
    """What only some need."""
    slurm = shutil.which("sbatch")
    if slurm and _version("snakemake-executor-plugin-slurm") is None:
        yield Finding("warn", "slurm", "the Snakemake plugin is missing; install snakemake-executor-plugin-slurm")
    else:
        yield Finding("ok", "slurm", slurm or "not here; only profiles/slurm needs it")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    yield Finding("ok", "browser", found or "none; only the tests of the report need one")


def show(config: dict) -> bool:
    """Print a line per finding; return whether nothing failed."""
    counts = dict.fromkeys(("ok", "warn", "fail"), 0)
    for finding in examine(config):
        counts[finding.level] += 1
        print(f"{finding.level:4}  {finding.subject}: {finding.words}", flush=True)
    print(f"{counts['fail']} to fix, {counts['warn']} to look at")
    return not counts["fail"]
