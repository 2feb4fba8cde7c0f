"""The environment is pinned in requirements.lock, and the other files agree with it."""

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ssr_mmseg.settings.paths import PROJECT

LOCKS = ("requirements.lock", "requirements-cuda.lock")
PIN = r"[a-z0-9][a-z0-9-]*==[0-9][A-Za-z0-9.]*"
ENTRY = re.compile(rf"({PIN})(?: \\\n    --hash=sha256:[0-9a-f]{{64}})+\n")
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RULES = {"all", "openvino", "slurm", "tensorboard"}  # the extras that the rules of the workflow may need


def lock_text(name):
    """Return a lock without its comments."""
    lines = (PROJECT / name).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def pins(*names):
    """Return the pins of locks, as name==version."""
    return [pin for name in names for pin in ENTRY.findall(lock_text(name))]


def conda_dependencies():
    """Return what conda installs, and what pip installs then."""
    dependencies = yaml.safe_load((PROJECT / "environment.yaml").read_text(encoding="utf-8"))["dependencies"]
    (by_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return [entry for entry in dependencies if isinstance(entry, str)], by_pip


def required(extras):
    """Return the requirements of the project with some extras, and those of all packages that it needs then.

    Each is a pair of a package, by its canonical name, and a requirement. What a package that is not installed needs is
    unknown.
    """
    found = set()
    waiting = [("ssr-mmseg", frozenset(extras))]
    seen = set()
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        for requirement in requirements_of(package):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ["", *wanted]):
                name = canonicalize_name(requirement.name)
                waiting.append((name, frozenset(requirement.extras)))
                if name != "ssr-mmseg":
                    found.add((package, f"{requirement.name} {requirement.specifier}"))
    return found


def requirements_of(package):
    if package == "ssr-mmseg":  # as they are now, not as they were at its installation
        texts = list(METADATA["dependencies"])
        for extra, needed in METADATA["optional-dependencies"].items():
            texts += [f"{text}; extra == '{extra}'" for text in needed]
    else:
        try:
            texts = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            texts = []
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_contains_only_exact_pins_with_hashes(name):
    assert ENTRY.sub("", lock_text(name)) == ""


def test_the_locks_pin_each_package_once():
    names = [pin.partition("==")[0] for pin in pins(*LOCKS)]
    assert len(names) == len(set(names))


def test_the_locks_have_all_that_the_project_needs():
    pinned = dict(pin.split("==") for pin in pins(*LOCKS))
    needed = required(METADATA["optional-dependencies"])
    assert len(needed) > len(pinned) / 2  # they were found
    for package, text in sorted(needed):
        requirement = Requirement(text)
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{package} needs {text}, which no lock has; run make lock"
        assert requirement.specifier.contains(version, prereleases=True), f"{package} needs {text}, not {version}"


def test_conda_installs_pins_of_the_lock():
    _, by_pip = conda_dependencies()
    assert set(by_pip) <= set(pins("requirements.lock"))
    assert len(by_pip) == len(set(by_pip))


def test_conda_installs_what_the_rules_need():
    _, by_pip = conda_dependencies()
    cuda = {pin.partition("==")[0] for pin in pins("requirements-cuda.lock")}
    needed = {canonicalize_name(Requirement(text).name) for _, text in required(RULES)}
    assert {pin.partition("==")[0] for pin in by_pip} == needed - cuda


def test_conda_and_the_project_agree_on_python():
    by_conda, _ = conda_dependencies()
    (version,) = [entry for entry in by_conda if entry.startswith("python=")]
    assert METADATA["requires-python"] == f">={version.removeprefix('python=')}"


def test_every_python_that_the_metadata_name_is_tested():
    prefix = "Programming Language :: Python :: "
    named = [entry.removeprefix(prefix) for entry in METADATA["classifiers"] if entry.startswith(prefix)]
    workflow = yaml.safe_load((PROJECT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == named


@pytest.mark.parametrize("pin", pins("requirements.lock"))
def test_a_pin_installs_on_the_oldest_python(pin):
    """A release that needs a later patch level ends `make setup` where that Python is older, as on Debian 12."""
    oldest = METADATA["requires-python"].removeprefix(">=") + ".0"
    try:
        distribution = metadata.distribution(pin.partition("==")[0])
    except metadata.PackageNotFoundError:
        pytest.skip("not installed here")
    assert SpecifierSet(distribution.metadata["Requires-Python"] or "").contains(oldest)
