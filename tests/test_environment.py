"""The environment is pinned in requirements.lock, and the other files agree with it."""

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from ssr_mmseg.settings.paths import PROJECT

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*")


def lock_lines():
    lines = (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_contains_only_exact_pins():
    assert [line for line in lock_lines() if not PIN.fullmatch(line)] == []


def test_the_lock_pins_each_package_once():
    names = [canonical(line.split("==")[0]) for line in lock_lines()]
    assert len(names) == len(set(names))


def test_conda_installs_the_same_pins():
    environment = yaml.safe_load((PROJECT / "environment.yaml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == lock_lines()


def test_conda_and_the_project_agree_on_python():
    environment = yaml.safe_load((PROJECT / "environment.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (version,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    assert project["requires-python"] == f">={version.removeprefix('python=')}"


@pytest.mark.parametrize("line", lock_lines())
def test_a_pin_installs_on_the_oldest_python(line):
    """A release that needs a later patch level ends `make setup` where that Python is older, as on Debian 12."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    try:
        distribution = metadata.distribution(line.split("==")[0])
    except metadata.PackageNotFoundError:
        pytest.skip("not installed here")
    assert SpecifierSet(distribution.metadata["Requires-Python"] or "").contains(oldest)


@pytest.mark.parametrize("extra", [None, "deploy", "dev", "docs", "openvino", "slurm", "tensorboard"])
def test_the_lock_satisfies_the_requirements_of_the_project(extra):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = project["optional-dependencies"][extra] if extra else project["dependencies"]
    pinned = {canonical(name): version for name, version in (line.split("==") for line in lock_lines())}
    for text in requirements:
        requirement = Requirement(text)
        assert pinned[canonical(requirement.name)] in requirement.specifier, text
