"""Command `doctor`: check that an experiment can run here, and say how to fix what prevents it."""

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
from ssr_mmseg.jobs.finished_work import MARK
from ssr_mmseg.jobs.planning import find_mistakes
from ssr_mmseg.jobs.result_warnings import data_warnings, outdated_warnings
from ssr_mmseg.settings import paths, prepared_files
from ssr_mmseg.settings.named_configs import named_configs
from ssr_mmseg.training.checkpoint.work_lock import NAME as LOCK_FILE
from ssr_mmseg.training.checkpoint.work_lock import holder
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

NEEDED = ("runtime", "train", "workflow", "report")  # extras
PYTHON = ((3, 11), (3, 12), (3, 13))  # versions that requirements.lock is tested with
DAY = 86400.0
STALE = 7 * DAY  # seconds after which an unfinished training may have been forgotten
FREE_GB = {"fail": 1, "warn": 10}  # by level: it is reported below this much free disk space
MEMORY_GB = 4  # needed by a small training
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One line of the output.

    Attributes:
        level: ok, warn or fail.
        subject: What was checked.
        message: What was found and, for warnings and failures, how to fix it.
    """

    level: str
    subject: str
    message: str


def examine(config: dict, contents: bool = False) -> Iterator[Finding]:
    """Check this machine and folder for a completed configuration; takes a few seconds.

    Args:
        contents: Read every image and label of the prepared data; otherwise only those whose time has changed.
    """
    yield from check_environment()
    yield from check_devices(config["device"])
    for dataset in settings.dataset_names(config):
        yield check_dataset(config, dataset, contents)
    yield from check_configs(config)
    yield from check_results(config)
    yield check_disk(Path("results"))
    yield check_snakemake_lock()
    yield from check_unfinished_work(config)
    yield from check_optional_tools()


def check_environment() -> Iterator[Finding]:
    """Compare Python and the installed packages with the versions that the project is tested with."""
    version = platform.python_version()
    if tuple(map(int, platform.python_version_tuple()[:2])) in PYTHON:
        yield Finding("ok", "python", version)
    else:
        tested = " or ".join(".".join(map(str, pair)) for pair in PYTHON)
        yield Finding("warn", "python", f"{version} has not been tested; use {tested}")
    lock_file = paths.PROJECT / "requirements.lock"
    if not lock_file.is_file():
        yield Finding("ok", "packages", "there is no requirements.lock to compare with")
        return
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock_file.read_text(encoding="utf-8"), re.MULTILINE))
    needed = required_packages()
    installed = {name: _version(name) for name in pins}
    missing = sorted(name for name, version in installed.items() if version is None and name.lower() in needed)
    untested = [
        f"{name} {version} instead of {pins[name]}"
        for name, version in installed.items()
        if version not in (None, pins[name])
    ]
    if missing:
        yield Finding("fail", "packages", f"not installed: {', '.join(missing)}; run `make setup`")
    elif untested:
        more = f" and {len(untested) - 3} more" if len(untested) > 3 else ""
        yield Finding("warn", "packages", f"{', '.join(untested[:3])}{more}; run `make setup` for the tested versions")
    else:
        yield Finding("ok", "packages", f"as in requirements.lock ({len(pins)} pins)")


def required_packages() -> set[str]:
    """Return the packages that the workflow needs, in lower case: those of the extra `all`."""
    file = paths.PACKAGE.parent / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"]
        texts = [*project["dependencies"], *(text for extra in NEEDED for text in extras[extra])]
    else:
        texts = [
            text
            for text in metadata.requires("ssr-mmseg") or []
            if "extra ==" not in text or any(f'"{extra}"' in text.replace("'", '"') for extra in NEEDED)
        ]
    names = {re.split(r"[<>=~! ;\[]", text)[0].lower() for text in texts}
    return names - {"ssr-mmseg"}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package).partition("+")[0]  # the suffix of a local version names a build, such as +cpu
    except metadata.PackageNotFoundError:
        return None


def check_devices(device: str) -> Iterator[Finding]:
    """Check processor, memory, and whether torch can use the configured device."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok", "cpu", f"{threads} threads")
    memory = psutil.virtual_memory().available / 1e9
    shortage = f", less than the {MEMORY_GB} GB that a small training needs; close other programs"
    enough = memory >= MEMORY_GB
    yield Finding("ok" if enough else "warn", "memory", f"{memory:.0f} GB available{'' if enough else shortage}")
    try:
        import torch

        from ssr_mmseg.utils.devices import resolve_device

        if resolve_device(device).type == "cuda":
            gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
            names = ", ".join(f"{gpu.name} with {gpu.total_memory / 1e9:.0f} GB" for gpu in gpus)
            yield Finding("ok", "device", names)
        elif device == "auto" and shutil.which("nvidia-smi"):
            remedy = "install the torch build for your driver, or set device: cpu"
            yield Finding(
                "warn", "device", f"an NVIDIA driver is installed, but torch {torch.__version__} finds no GPU; {remedy}"
            )
        else:
            yield Finding("ok", "device", f"cpu, torch {torch.__version__}")
    except UserError as error:
        yield Finding("fail", "device", str(error))
    except ImportError as error:
        yield Finding("fail", "device", f"torch cannot be imported: {error}; run `make setup`")


def check_dataset(config: dict, dataset: str, contents: bool = False) -> Finding:
    """Check that a dataset is prepared and its files are as they were then, or that it can be prepared."""
    subject = f"data {dataset}"
    path = settings.manifest_path(config, dataset)
    if path.is_file():
        try:
            manifest = read_json(path)
            counts = ", ".join(f"{part['images']} {split}" for split, part in manifest["splits"].items() if part)
            root = Path(manifest["root"])
            exists = root.is_dir()
        except (UserError, KeyError, TypeError, AttributeError):
            return Finding("fail", subject, f"{path} is not a dataset manifest; delete it to prepare the dataset again")
        if not exists:
            remedy = f"restore it, or delete {path} to prepare the dataset again"
            return Finding("fail", subject, f"{root} no longer exists; {remedy}")
        try:
            records = prepared_files.read_records(path, manifest)
        except UserError as error:
            return Finding("fail", subject, str(error))
        if changed := prepared_files.changed_files(root, records, contents):
            what, remedy = prepared_files.summary(changed, len(records)), prepared_files.again(path)
            return Finding("fail", subject, f"{what}; restore them, or {remedy}")
        doubts = [line.removeprefix(f"{dataset}: ") for line in data_warnings(config, dataset)]
        if doubts:
            more = f" (and {len(doubts) - 1} more: ssr-mmseg status)" if len(doubts) > 1 else ""
            return Finding("warn", subject, f"prepared: {counts}; {doubts[-1]}{more}")
        return Finding("ok", subject, f"prepared: {counts}")
    entry = settings.for_dataset(config, dataset)["dataset"]
    source = entry["source"]
    if entry["type"] == "streets":
        return Finding("ok", subject, "will be rendered when needed")
    if not source:
        return Finding("fail", subject, f"type {entry['type']} needs a source; see docs/datasets.md")
    if "://" not in source and not Path(source).expanduser().exists():
        return Finding("fail", subject, f"source {source} not found; put it there or correct the configuration")
    return Finding("ok", subject, f"will be prepared from {source} when needed")


def check_results(config: dict) -> Iterator[Finding]:
    """List results that were made with another configuration."""
    for line in outdated_warnings(config):
        yield Finding("warn", "results", line)


def check_configs(config: dict) -> Iterator[Finding]:
    """Check mmengine configs and selectors of the experiment, also those that passed while it was planned."""
    configs = named_configs(config)
    try:
        checked = find_mistakes(configs)
    except UserError as error:
        checked = [str(error)]
    if checked is None:
        return  # check_environment reports that mmseg is not installed
    mistakes = [mistake for mistake in checked if mistake]
    for mistake in mistakes:
        yield Finding("fail", "config", mistake)
    if not mistakes:
        count = sum(named.part != "selector" for named in configs)
        yield Finding("ok", "config", f"the {count} mmengine configs have no mistakes")


def check_disk(results: Path) -> Finding:
    """Check that results can be written and that there is enough free space."""
    folder = results if results.exists() else Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Finding(
            "fail", "disk", f"cannot write to {folder}: {error.strerror}; choose another folder with --directory"
        )
    for level, minimum in FREE_GB.items():
        if free < minimum:
            return Finding(level, "disk", f"{free:.1f} GB free in {folder}, expected {minimum} GB; free up space")
    return Finding("ok", "disk", f"{free:.0f} GB free in {folder}")


def check_snakemake_lock() -> Finding:
    """Check for a running Snakemake in this folder, and for a lock left by a killed one."""
    locks = Path(".snakemake/locks")
    if not (locks.is_dir() and any(locks.iterdir())):
        return Finding("ok", "lock", "snakemake is not running in this folder")
    running = [process.pid for process in psutil.process_iter() if _runs_here(process)]
    if running:
        return Finding("ok", "lock", f"snakemake is running in this folder: process {', '.join(map(str, running))}")
    return Finding(
        "fail",
        "lock",
        "a killed snakemake left its lock; remove it with `snakemake --unlock`, unless snakemake is running in this "
        "folder on another machine",
    )


def _runs_here(process: psutil.Process) -> bool:
    try:
        command = [Path(word).name for word in process.cmdline()[:4]]
        return "snakemake" in command and "--unlock" not in process.cmdline() and Path(process.cwd()) == Path.cwd()
    except psutil.Error:  # it has ended, or belongs to another user
        return False


def check_unfinished_work(config: dict) -> Iterator[Finding]:
    """List unfinished trainings, and temporary files left by killed processes."""
    for work in sorted((paths.results_folder(config) / "work").glob("*/")):
        if (work / MARK).exists():
            continue  # the training has finished
        states = [file.stat().st_mtime for file in work.glob("*.pth")]
        age = time.time() - max(states, default=work.stat().st_mtime)
        owner = holder(work / LOCK_FILE)
        if owner:
            yield Finding("ok", "training", f"{work.name} is being trained by {owner}")
        elif age > STALE:
            remedy = f"run it again to resume, or delete {work}"
            yield Finding("warn", "training", f"{work.name} was interrupted {age / DAY:.0f} days ago; {remedy}")
        else:
            yield Finding("ok", "training", f"{work.name} will resume when it is run again")
    patterns = ("*/prepare/.*.*", "*/seed*/*/.*.*", "*/seed*/*/*/.*.*")
    left = [path for pattern in patterns for path in paths.results_folder(config).glob(pattern)]
    left = [path for path in left if time.time() - path.stat().st_mtime > DAY]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        message = f"temporary files left by killed processes: {left[0]}{more}; delete them"
        yield Finding("warn", "leftovers", message)


def check_optional_tools() -> Iterator[Finding]:
    """Check for Slurm and a browser, which only some uses need."""
    slurm = shutil.which("sbatch")
    if slurm and _version("snakemake-executor-plugin-slurm") is None:
        yield Finding("warn", "slurm", "the Snakemake plugin is missing; install snakemake-executor-plugin-slurm")
    else:
        yield Finding("ok", "slurm", slurm or "not found; only profiles/slurm needs it")
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    yield Finding("ok", "browser", browser or "not found; only the tests of the report need one")


def show(config: dict, contents: bool = False) -> bool:
    """Print one line per finding (see `examine`); return whether no check failed."""
    counts = dict.fromkeys(("ok", "warn", "fail"), 0)
    for finding in examine(config, contents):
        counts[finding.level] += 1
        print(f"{finding.level:4}  {finding.subject}: {finding.message}", flush=True)
    print(f"failures: {counts['fail']}, warnings: {counts['warn']}")
    return not counts["fail"]
