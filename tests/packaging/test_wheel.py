"""The wheel in an environment without a checkout: what is inside, and a folder in which it runs the workflow."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from patience import PATIENCE

from ssr_mmseg import __version__
from ssr_mmseg.settings.paths import PROJECT

ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run(*command: object, folder: Path) -> subprocess.CompletedProcess:
    """Run a program outside of the checkout, without its variables."""
    result = subprocess.run(
        list(map(str, command)), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Path:
    """The folder with wheel and source distribution; the wheel is built from the latter, as `build` does."""
    folder = tmp_path_factory.mktemp("dist")
    link = PROJECT / ".snakemake/ssr_mmseg/python/ssr_mmseg"  # of every run of the workflow; hatchling follows it
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(PROJECT / "ssr_mmseg")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PROJECT, folder=folder)
    return folder


@pytest.fixture(scope="module")
def python(distributions, tmp_path_factory) -> Path:
    """Python of an environment with the wheel, which finds all other packages in that of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin/python"
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).stdout.strip()
    )
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = distributions.glob("*.whl")
    target = ("--no-deps", "--no-index", "--target", packages)
    run(sys.executable, "-m", "pip", "install", "--quiet", *target, wheel, folder=folder)
    place = run(python, "-c", "import ssr_mmseg; print(ssr_mmseg.__file__)", folder=folder).stdout
    assert Path(place.strip()).is_relative_to(packages)
    return python


def test_the_wheel_has_the_files_that_the_package_reads(distributions):
    (wheel,) = distributions.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} == {"ssr_mmseg", f"ssr_mmseg-{__version__}.dist-info"}
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True).stdout.split()
    read = [name for name in tracked if name.startswith(("config/", "profiles/", "workflow/"))]
    expected = [f"ssr_mmseg/project/{name}" for name in [*read, "Snakefile", "environment.yaml", "requirements.lock"]]
    expected += [name for name in tracked if name.startswith("ssr_mmseg/")]
    assert not [
        name for name in expected if name not in names and (PROJECT / name.removeprefix("ssr_mmseg/project/")).exists()
    ]
    assert {f"ssr_mmseg-{__version__}.dist-info/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= names


def test_the_source_distribution_can_be_tested(distributions):
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True).stdout.split()
    assert [name for name in tracked if (PROJECT / name).exists() and name not in names] == []
    assert not [name for name in names if name.startswith(("results/", "data/", ".venv/", "build/"))]


def test_a_folder_made_by_init_runs_the_installed_workflow(python, tmp_path):
    command = python.parent / "ssr-mmseg"
    command.write_text(f"#!{python}\nimport sys\nfrom ssr_mmseg.cli import main\nsys.exit(main())\n")
    command.chmod(0o755)
    lab = tmp_path / "lab"
    assert "config/config.yaml" in run(command, "init", lab, folder=tmp_path).stdout
    (lab / "config/config.yaml").write_bytes((PROJECT / ".test/config/config.yaml").read_bytes())
    snakemake = (python, "-m", "snakemake", "--cores", "2", "--nocolor")
    genotype = "results/streets/seed0/discretize/genotype.json"
    call = run(*snakemake, genotype, "results/streets/seed0/profile/fast_scnn/profile.json", folder=lab)
    assert "ssr-mmseg: warning: streets: val has 4 images only" in call.stderr, "the end of a run has the warnings"
    assert (lab / genotype).is_file()
    assert f'"commit": "v{__version__}"' in (lab / "results/streets/seed0/search/metrics.json").read_text()
    assert "Nothing to be done" in run(*snakemake, "-n", genotype, folder=lab).stdout
    doctor = subprocess.run([command, "doctor"], cwd=lab, env=ENVIRONMENT, capture_output=True, text=True)
    assert "Traceback" not in doctor.stderr
    assert not [line for line in doctor.stdout.splitlines() if line.startswith("fail ") and "packages" not in line]


def test_init_keeps_what_is_there(python, tmp_path):
    (tmp_path / "Snakefile").write_text("rule mine: output: 'x'\n")
    call = subprocess.run(
        [python, "-m", "ssr_mmseg", "init", "."], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (call.returncode, call.stderr) == (
        2,
        "ssr-mmseg: Snakefile exists already; choose another folder, or delete it to have it written again\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["Snakefile"]
    call = subprocess.run(
        [python, "-m", "ssr_mmseg", "init", "new", "--example", "camvit"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert call.stderr.startswith("ssr-mmseg: unknown configuration camvit; did you mean camvid?")


def test_the_version_has_one_place():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    tracked = subprocess.run(
        ["git", "grep", "-lF", __version__, "--", "*.py"], cwd=PROJECT, capture_output=True, text=True
    )
    assert tracked.stdout.split() in ([], ["ssr_mmseg/__init__.py"])
