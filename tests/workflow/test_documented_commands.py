"""Commands, links and paths of the documentation: cheap commands are run, the others planned or parsed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest

from ssr_mmseg import cli
from ssr_mmseg.settings.paths import PROJECT

PAGES = [PROJECT / "README.md", *sorted(PROJECT.glob("docs/**/*.md")), *sorted(PROJECT.glob("*/README.md"))]
FOLDERS = "ssr_mmseg|tests|config|workflow|benchmarks"  # of documented paths
MMSEG_TOOLS = Path(mmseg.__path__[0]) / ".mim/tools"
CHEAP = ("cost", "space", "status")  # subcommands that need no results: run for real
EXEMPT = {  # programs whose commands are not run here, with the reason
    "apt-get": "changes the machine",
    "build": "builds the distributions, as tests/packaging does",
    "cd": "changes the working directory of the shell",
    "conda": "creates an environment from the network",
    "curl": "needs the network",
    "--groups": "further arguments of the command before it",
    "export": "changes the shell",
    "git": "needs the network, or another repository",
    "mkdir": "creates folders",
    "pip": "changes the environment from the network",
    "rsync": "needs another machine",
    "sbatch": "needs a cluster",
    "scp": "needs another machine",
    "sed": "copies a part of a file",
    "sh": "changes the machine",
    "snakedeploy": "needs the network",
    "source": "changes the shell",
    "squeue": "needs a cluster",
    "sudo": "changes the machine",
    "tensorboard": "runs until it is stopped",
    "tmux": "opens a terminal",
    "torchrun": "starts a training on several GPUs",
    "wget": "needs the network",
}


def commands(page: Path) -> list[str]:
    """Return the commands in the `sh` and `bash` blocks of a page, without comments; continued lines are joined."""
    blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


COMMANDS = sorted({(str(page.relative_to(PROJECT)), command) for page in PAGES for command in commands(page)})


def split_command(command: str) -> list[str]:
    """Split a command into words, without variables, `timeout`, and `python -m` before a program of the project.

    `$TOOLS` is the folder of mmsegmentation's own tools. A command whose output becomes a variable is that command.
    """
    words = shlex.split(command.replace("$TOOLS", str(MMSEG_TOOLS)), comments=True)
    if assigned := re.fullmatch(r"[A-Z_]+=\$\((.*)\)", command):
        words = shlex.split(assigned[1])
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words[0] == "timeout":  # its options and the duration
        words = words[next(index for index, word in enumerate(words) if re.fullmatch(r"\d+[smh]", word)) + 1 :]
    if words[:2] in (["python", "-m"], ["python3", "-m"]):
        words = words[2:]
    return ["ssr-mmseg" if words[0] == "ssr_mmseg" else Path(words[0]).name, *words[1:]]


def commands_of(*programs: str) -> list:
    """Return the distinct commands of some programs, each with the first page that it is on."""
    first = {command: page for page, command in reversed(COMMANDS) if split_command(command)[0] in programs}
    return [pytest.param(page, command, id=f"{page}: {command[:70]}") for command, page in sorted(first.items())]


# `--report` is run below; the executor for Kubernetes is not part of the environment.
PLANNED = [case for case in commands_of("snakemake") if not re.search("--report|kubernetes", case.values[1])]


def test_every_command_is_of_a_known_program():
    tested = {"snakemake", "ssr-mmseg", "make", "python", "python3", "python3.11", *EXEMPT}
    unknown = [(page, command) for page, command in COMMANDS if split_command(command)[0] not in tested]
    assert unknown == [], "test them here, or add their programs to EXEMPT with the reason"
    assert {page for page, _ in COMMANDS} >= {"README.md", "docs/own_data.md", "docs/watching.md", "config/README.md"}


@pytest.mark.parametrize(("page", "command"), commands_of("ssr-mmseg"))
def test_the_command_line_accepts_it(page, command, monkeypatch, tmp_path, capsys):
    words = split_command(command)[1:]
    cli.parser().parse_args(words)
    if words[0] in CHEAP and "--watch" not in words:
        for name in ("config", "ssr_mmseg"):
            (tmp_path / name).symlink_to(PROJECT / name)
        monkeypatch.chdir(tmp_path)
        assert cli.main(words) == 0
        output = capsys.readouterr().out
        assert " done" in output if words[0] == "status" else json.loads(output)


def test_make_targets_and_python_scripts_exist():
    targets = re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page, command in COMMANDS:
        program, *words = split_command(command)
        if program == "make":
            assert {word for word in words if "=" not in word} <= set(targets), (page, command)
        elif program.startswith("python"):
            assert words[0] == "-c" or words[:2] == ["-m", "venv"] or (PROJECT / words[0]).is_file(), (page, command)
            if words[0].startswith(str(MMSEG_TOOLS)):
                assert (PROJECT / words[1]).is_file(), (page, command)


@pytest.mark.parametrize(("page", "command"), PLANNED)
def test_snakemake_plans_it(page, command, checkout):
    words = split_command(command)[1:]
    for name in re.findall(r"config/(\w+)\.yaml", command):
        if not (checkout.folder / f"config/{name}.yaml").exists():  # the page shows its content
            (checkout.folder / f"config/{name}.yaml").write_text(example(page, name))
    call = checkout.snakemake(*words, *(() if {"-n", "--dry-run"} & set(words) else ["--dry-run"]))
    assert call.status == 0, call.output
    assert checkout.files() == []


def example(page: str, name: str) -> str:
    """Return the YAML block of a page that configures the dataset `name`."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if re.search(rf"^  {name}:$", block, re.MULTILINE))


def test_snakemakes_own_report_has_captions_and_categories(copied):
    call = copied.snakemake("--configfile", "config/two.yaml", "--report", "report.zip")
    assert call.status == 0, call.output
    shown = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", "report.zip"], cwd=copied.folder, capture_output=True, text=True
    ).stdout
    assert "report/report.html" in shown
    subprocess.run([sys.executable, "-m", "zipfile", "-e", "report.zip", "unpacked"], cwd=copied.folder, check=True)
    page = (copied.folder / "unpacked/report/report.html").read_text(encoding="utf-8")
    for words in ("Predictions", "Results", "All networks trained with the same recipe", "table.csv"):
        assert words in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_and_images_exist_and_images_have_a_description(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for mark, description, target in re.findall(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|#|mailto:", target):
            assert (page.parent / target.partition("#")[0]).exists(), target
        assert not mark or len(description) > 20, f"{target} needs alternative text"


def documented_paths(text: str) -> list[str]:
    """Return the paths of the project's files in the code spans of a page; those in the package may omit its name.

    Left out are patterns, and files that do not exist yet: those that a command writes, and those that the reader
    creates because the page shows their content in a code block after their name.
    """
    created = set(re.findall(rf"`((?:{FOLDERS})/[^`\s]+)`:?\n\n```", text))
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    paths = []
    for span in re.findall(r"`([^`\n]+)`", prose):
        span = re.sub(r"--(?:out|record|report) \S+", "", span)
        paths += re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[^\s,;]+|(?:\w+/)+\w+\.py)", span)
    return [path for path in paths if path not in created and not re.search(r"[<>*{}…]", path)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_documented_paths_exist(page):
    for path in documented_paths(page.read_text(encoding="utf-8")):
        name, _, test = path.partition("::")
        files = [folder / name for folder in (PROJECT, PROJECT / "ssr_mmseg", PROJECT / "config/mmseg", page.parent)]
        assert any(file.exists() for file in files), f"{path} does not exist"
        assert not test or f"def {test}(" in files[0].read_text(encoding="utf-8"), f"{path} does not exist"


def test_paths_are_found_in_code_spans():
    text = (
        "`tests/a.py::test_b`, `python benchmarks/c.py --out benchmarks/d.json`, `e/f.py`, `config/*.yaml`, `results`"
    )
    shown = "a file `config/mine.yaml`:\n\n```yaml\n`workflow/g`\n```\n"
    assert documented_paths(f"{text}\n{shown}") == ["tests/a.py::test_b", "benchmarks/c.py", "e/f.py"]


def test_the_site_builds_without_a_warning_and_its_links_exist(tmp_path):
    site = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(site),
    ]  # with --quiet, --strict ignores warnings
    call = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert call.returncode == 0, call.stderr
    pages = {path.stem: path.read_text(encoding="utf-8") for path in site.glob("*.html")}
    assert {path.stem for path in (PROJECT / "docs").glob("*.md")} <= pages.keys()
    assert "datasets.&lt;name&gt;" in pages["configuration"]
    for name, html in pages.items():
        for target, anchor in re.findall(r'\b(?:href|src)="([^"#:]*)(#[^"]*)?"', html):
            path = site / (target or f"{name}.html")
            assert name == "404" or path.exists(), f"{name} links to {target}"
            if anchor and path.suffix == ".html":
                assert f'id="{anchor[1:]}"' in path.read_text(encoding="utf-8"), f"{name} links to {target}{anchor}"
