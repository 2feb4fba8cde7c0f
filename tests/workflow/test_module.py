"""The workflow as a module of another one, with nothing but Snakemake in its environment."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from patience import PATIENCE

from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.init import SNAKEFILE

ABSENT = ("mmcv", "mmengine", "mmseg", "scipy", "torch")  # the plugin for Slurm imports pandas and numpy


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """An environment without this package, in which the packages that Snakemake does not need cannot be imported."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", find], capture_output=True, text=True, check=True).stdout.strip())
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "sitecustomize.py").write_text(f"import sys\nsys.modules |= dict.fromkeys({ABSENT!r})\n")
    return python


def make_folder(folder: Path, snakefile: str) -> Path:
    """Make a folder with a workflow that uses this one, as `ssr-mmseg init` does, but without importing the package."""
    text = SNAKEFILE.replace("from ssr_mmseg.settings import paths\n", 'configfile: "config/config.yaml"\n')
    text = text.replace("str(paths.WORKFLOW)", snakefile)
    (folder / "workflow").mkdir(parents=True)
    (folder / "config").mkdir()
    (folder / "workflow/Snakefile").write_text(text)
    shutil.copy(PROJECT / ".test/config/config.yaml", folder / "config/config.yaml")
    return folder


def snakemake(python: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run Snakemake as where nothing of this project is installed."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [python, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
    return subprocess.run(
        command, cwd=folder, env=inherited | variables, capture_output=True, text=True, timeout=PATIENCE
    )


def check_plan(call: subprocess.CompletedProcess) -> None:
    assert call.returncode == 0, call.stdout + call.stderr
    planned = dict(line.split() for line in call.stdout.splitlines() if len(line.split()) == 2)
    assert planned["retrain"] == "4"
    assert planned["shrink"] == "2"
    assert (
        "ssr-mmseg: warning: the stages cannot run in this environment, which has no mmseg; run snakemake "
        in call.stderr
    )


def test_a_checkout_is_planned_by_snakemake_alone(environment, tmp_path):
    folder = make_folder(tmp_path / "lab", repr(str(PROJECT / "workflow/Snakefile")))
    check_plan(snakemake(environment, folder, "--dry-run"))
    assert not (folder / "results").exists()


def test_a_hosted_repository_is_planned_by_snakemake_alone(environment, tmp_path):
    """Git takes the address for a local repository, so that nothing but the network is left out."""
    if not (PROJECT / ".git").exists():
        pytest.skip("the project is not a git repository")
    clone, settings = tmp_path / "clone", tmp_path / "gitconfig"
    subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)
    for name in ("workflow", "ssr_mmseg", "config"):  # with the changes that are not committed
        shutil.copytree(PROJECT / name, clone / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    person = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(
        ["git", *person, "commit", "--quiet", "--all", "--allow-empty", "-m", "changes"], cwd=clone, check=True
    )
    subprocess.run(["git", "add", "--all"], cwd=clone, check=True)
    subprocess.run(["git", *person, "commit", "--quiet", "--allow-empty", "-m", "new files"], cwd=clone, check=True)
    subprocess.run(["git", "tag", "v9"], cwd=clone, check=True)
    address = "https://github.com/owner/ssr"
    settings.write_text(f'[url "file://{clone}"]\n\tinsteadOf = {address}\n[safe]\n\tdirectory = *\n')
    folder = make_folder(tmp_path / "lab", 'github("owner/ssr", path="workflow/Snakefile", tag="v9")')
    variables = {"GIT_CONFIG_GLOBAL": str(settings), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    check_plan(snakemake(environment, folder, "--dry-run", **variables))
    (copy,) = (folder / ".snakemake/ssr_mmseg/repository").iterdir()
    assert (copy / "ssr_mmseg/cli.py").is_file()


def test_jobs_find_the_package_and_a_failure_is_explained(environment, tmp_path):
    """Here the stages lack their packages: the line says so, and it comes from the package's own command line."""
    folder = make_folder(tmp_path / "lab", repr(str(PROJECT / "workflow/Snakefile")))
    call = snakemake(environment, folder, "results/streets/prepare/dataset.json")
    assert call.returncode != 0
    assert "ssr-mmseg: prepare failed: prepare needs mmseg, which is not installed; run: pip install" in call.stderr


def test_the_config_of_the_module_may_be_made_by_the_workflow(environment, tmp_path):
    folder = make_folder(tmp_path / "lab", repr(str(PROJECT / "workflow/Snakefile")))
    snakefile = folder / "workflow/Snakefile"
    text = snakefile.read_text().replace('configfile: "config/config.yaml"\n', "")
    own = "{'networks': ['erfnet'], 'datasets': {'mars': {'type': 'streets', 'size': [64, 64]}}}"
    snakefile.write_text(text.replace("        config\n\n\nuse", f"        {own}\n\n\nuse"))
    call = snakemake(environment, folder, "--dry-run")
    assert call.returncode == 0, call.stdout + call.stderr
    assert "results/mars/prepare/dataset.json" in call.stdout
    snakefile.write_text(text.replace("        config\n\n\nuse", "        {'networks': ['erfnat']}\n\n\nuse"))
    call = snakemake(environment, folder, "--dry-run")
    assert call.stderr.splitlines()[-1].startswith("ssr-mmseg: unknown network erfnat; did you mean erfnet?")


@pytest.mark.parametrize(
    "keyword", ['prefix:\n        "elsewhere"', 'replace_prefix:\n        {"results/": "elsewhere/"}']
)
def test_a_prefix_is_refused(environment, tmp_path, keyword):
    folder = make_folder(tmp_path / "lab", repr(str(PROJECT / "workflow/Snakefile")))
    snakefile = folder / "workflow/Snakefile"
    snakefile.write_text(snakefile.read_text().replace("    config:\n", f"    {keyword}\n    config:\n"))
    call = snakemake(environment, folder, "--dry-run")
    assert call.returncode != 0
    assert call.stderr.splitlines()[-1].startswith("ssr-mmseg: a module of this workflow can have no prefix")


def test_conda_environments_of_jobs_get_the_package(environment, tmp_path):
    """Snakemake removes PYTHONPATH from such jobs; a program that stands in for conda makes their environment."""
    folder = make_folder(tmp_path / "lab", repr(str(PROJECT / "workflow/Snakefile")))
    root = tmp_path / "conda"
    (root / "bin").mkdir(parents=True)
    answer = {"conda_version": "25.3.0", "conda_prefix": str(root), "platform": "linux-64"}
    answer["get"] = {"channel_priority": "strict"}
    (root / "bin/conda").write_text(f"""#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in
    --json) echo '{json.dumps(answer)}'; exit;;
    --version) echo conda 25.3.0; exit;;
    --prefix) prefix="$2";;
    esac
    shift
done
[ -z "${{prefix:-}}" ] || {{ mkdir -p "$prefix/bin" && ln -s {sys.executable} "$prefix/bin/python"; }}
""")
    (root / "bin/activate").write_text('export PATH="$1/bin:$PATH"\n')
    (root / "bin/conda").chmod(0o755)
    variables = {"PATH": os.pathsep.join([str(root / "bin"), os.environ["PATH"]])}
    target = "results/streets/prepare/dataset.json"
    call = snakemake(environment, folder, target, "--software-deployment-method", "conda", **variables)
    shown = call.stdout + call.stderr + "".join(path.read_text() for path in folder.glob("results/logs/prepare/*"))
    assert "No module named ssr_mmseg" not in shown
    assert "Activating conda environment" in shown
    assert "the stages cannot run in this environment" not in shown
