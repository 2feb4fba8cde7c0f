"""A copy of the workflow whose command line only pretends to compute, so that every rule runs within seconds."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from patience import PATIENCE

from ssr_mmseg.jobs.planning import PASSED
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.files import write_text

CONFIG = """\
networks: [searched, random, erfnet]
threads: {search: 2}
datasets:
  town: {type: streets, size: [64, 64]}
  village: {type: streets, size: [64, 64]}
search: {shrink_stages: 1}
"""


@dataclass(frozen=True)
class Call:
    """Exit status and output of a call of Snakemake."""

    status: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """Number of planned jobs by rule, from the table of a dry run."""
        table = re.search(r"^-+ +-+\n(.*?)^total", self.output, re.MULTILINE | re.DOTALL)
        return {
            rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", table[1] if table else "", re.MULTILINE)
        }

    @property
    def jobs(self) -> list[dict[str, str]]:
        """Wildcards of the planned jobs, and each job's `rule`, `threads` and `resources`."""
        jobs = []
        for block in re.findall(r"^(?:local)?rule \w+:\n(?:    .*\n)+", self.output, re.MULTILINE):
            fields = dict(re.findall(r"^    (\w+): (.*)$", block, re.MULTILINE))
            wildcards = dict(re.findall(r"(\w+)=([\w/-]+)", fields.get("wildcards", "")))
            settings = {key: fields.get(key, "") for key in ("threads", "resources")}
            jobs.append({"rule": block.split(":")[0].split()[-1], **settings, **wildcards})
        return jobs


class Checkout:
    """A folder with a copy of the workflow, and calls of Snakemake in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str, **environment: str) -> Call:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
        result = subprocess.run(
            command, cwd=self.folder, env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE
        )
        return Call(result.returncode, result.stdout + result.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """Start a call in a process group of its own; its output is written to `output.txt`."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
        with open(self.folder / "output.txt", "w") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the only occurrence of a text in a file."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    def files(self) -> list[str]:
        """Return the paths of all results, relative to `results`."""
        results = self.folder / "results"
        return sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())


def make_checkout(folder: Path) -> Checkout:
    for name in ("config", "workflow", "profiles"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("Snakefile", "environment.yaml"):
        shutil.copy(PROJECT / name, folder)
    package = folder / "ssr_mmseg"
    shutil.copytree(PROJECT / "ssr_mmseg", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(Path(__file__).parent / "pretend.py", package / "__main__.py")
    (folder / "config/two.yaml").write_text(CONFIG)
    return Checkout(folder)


@pytest.fixture(scope="session")
def passed(tmp_path_factory) -> str:
    """The record that the shipped configs have passed their check, which takes seconds."""
    checkout = make_checkout(tmp_path_factory.mktemp("passed") / "checkout")
    for name in ("config", "camvid", "two"):
        call = checkout.snakemake("--dry-run", "--configfile", f"config/{name}.yaml")
        assert call.status == 0, call.output
    return (checkout.folder / PASSED).read_text()


@pytest.fixture
def checkout(tmp_path, passed) -> Checkout:
    """A fresh copy without results, whose configs have been checked."""
    checkout = make_checkout(tmp_path / "checkout")
    write_text(checkout.folder / PASSED, passed)
    return checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory, passed) -> Checkout:
    """A copy with all results of `config/two.yaml`; tests may make dry runs in it but must not change it."""
    checkout = make_checkout(tmp_path_factory.mktemp("finished") / "checkout")
    write_text(checkout.folder / PASSED, passed)
    call = checkout.snakemake("--configfile", "config/two.yaml")
    assert call.status == 0, call.output
    return checkout


@pytest.fixture
def copied(finished, tmp_path) -> Checkout:
    """A copy of the finished one that tests may change and run."""
    shutil.copytree(finished.folder, tmp_path / "checkout")
    return Checkout(tmp_path / "checkout")
