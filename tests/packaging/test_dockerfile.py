"""The Dockerfile without an engine: what its build reads reaches it, and it installs what `make setup` does."""

import ast
import json
import re
import subprocess
import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from ssr_mmseg.settings.paths import PROJECT

PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (PROJECT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def arguments(instruction: str) -> list[str]:
    return [rest for word, rest in instructions() if word == instruction]


def ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps a path from the build: the last pattern for it or a folder above it decides."""
    result = False
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not pattern.startswith("#"):
            parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
            expression = "".join(
                parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
            )
            if re.fullmatch(f"{expression}(?:/.*)?", path):
                result = not line.strip().startswith("!")
    return result


def wheel_sources() -> list[str]:
    """Files and folders of a checkout that the wheel is built from."""
    build = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    (hook,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((PROJECT / "hatch_build.py").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FILES"
    )
    project = [PROJECT_TABLE["readme"], *PROJECT_TABLE["license-files"]]
    return ["pyproject.toml", "hatch_build.py", *project, *hook, *build["packages"]]


def test_copied_files_exist_and_reach_the_build():
    copied = [rest.split() for rest in arguments("COPY") if not rest.startswith("--from=")]
    sources = [source for *names, _ in copied for source in names]
    assert {"requirements.lock", "requirements-cuda.lock", "."} == set(sources)
    for source in set(sources) - {"."}:
        assert (PROJECT / source).exists()
        assert not ignored(source)


def test_everything_that_the_wheel_has_reaches_the_build():
    sources = wheel_sources()
    assert "requirements.lock" in sources
    tracked = subprocess.run(["git", "ls-files", *sources], cwd=PROJECT, capture_output=True, text=True)
    assert [name for name in sources if not (PROJECT / name).exists()] == []
    assert [name for name in tracked.stdout.splitlines() if ignored(name)] == []


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".snakemake/log",
        "build/site/index.html",
        "data/camvid/a.png",
        "my_data/a.png",
        "results/table.csv",
        "ssr_mmseg/utils/__pycache__/files.pyc",
        "tests/packaging/test_dockerfile.py",
    ],
)
def test_nothing_else_reaches_the_build(path):
    assert ignored(path)


def test_the_base_image_has_a_python_that_the_project_supports():
    stages = {line.split()[-1] for line in arguments("FROM") if " AS " in line}
    bases = {line.split()[0] for line in arguments("FROM")} - stages
    assert len(bases) == 1
    version = re.fullmatch(r"python:(\d+\.\d+)-slim", bases.pop())[1]
    assert version in SpecifierSet(PROJECT_TABLE["requires-python"])
    assert f"Programming Language :: Python :: {version}" in PROJECT_TABLE["classifiers"]


def test_the_locks_are_installed_as_by_make_setup():
    (options,) = re.findall(r"^INSTALL := .* -m pip install (.*)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    for lock in ("requirements.lock", "requirements-cuda.lock"):
        (install,) = re.findall(
            rf"pip install ([^&;]*) --requirement /tmp/{re.escape(lock)}", " ".join(arguments("RUN"))
        )
        assert set(options.split()) <= set(install.split())
    (wheel,) = (rest for rest in arguments("RUN") if rest.startswith("pip wheel"))
    assert {"--no-deps", "--no-build-isolation"} <= set(wheel.split()), "nothing that the lock does not name"


def test_no_server_is_named():
    text = (PROJECT / "Dockerfile").read_text()
    assert not re.findall(
        r"\w+://|--(?:extra-)?index-url|--trusted-host|--find-links|PIP_\w+=|_proxy", text, re.IGNORECASE
    )


def test_the_image_runs_commands_as_a_user():
    assert arguments("USER")[-1] not in ("root", "0")
    assert not arguments("ENTRYPOINT"), "engines start a shell, people start snakemake"
    (command,) = arguments("CMD")
    assert json.loads(command)[0] in PROJECT_TABLE["scripts"]
