"""Every command in a `sh` or `bash` block of the documentation: run where that is cheap, else planned or parsed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ssr_mmseg import cli
from ssr_mmseg.settings.paths import PROJECT

PAGES = [PROJECT / "README.md", *sorted(PROJECT.glob("docs/**/*.md")), *sorted(PROJECT.glob("*/README.md"))]
CHEAP = ("cost", "space", "status")  # subcommands that need no results: run for real
EXEMPT = {  # by program: why its commands are not run here
    "apt-get": "changes the machine",
    "cd": "changes the reader's folder",
    "conda": "makes an environment, from the network",
    "curl": "needs the network",
    "--groups": "further arguments of the command above it",
    "export": "changes the reader's shell",
    "git": "needs the network, or a repository of the reader's",
    "mkdir": "makes the reader's folders",
    "pip": "changes the environment, from the network",
    "rsync": "needs another machine",
    "sbatch": "needs a cluster",
    "scp": "needs another machine",
    "sh": "changes the machine",
    "source": "changes the reader's shell",
    "squeue": "needs a cluster",
    "sudo": "changes the machine",
    "tensorboard": "serves pages until it is stopped",
    "tmux": "keeps a terminal",
    "torchrun": "starts a training on several GPUs",
    "wget": "needs the network",
}


def commands(page: Path) -> list[str]:
    """The commands of a page's blocks, without comments; continued lines are joined."""
    blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


FOUND = sorted({(str(page.relative_to(PROJECT)), command) for page in PAGES for command in commands(page)})


def words_of(command: str) -> list[str]:
    """A command's words without its environment, without `timeout` and without `python -m` before a program of ours."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words[0] == "timeout":  # its options and the duration
        words = words[next(place for place, word in enumerate(words) if re.fullmatch(r"\d+[smh]", word)) + 1 :]
    if words[:2] in (["python", "-m"], ["python3", "-m"]):
        words = words[2:]
    return ["ssr-mmseg" if words[0] == "ssr_mmseg" else Path(words[0]).name, *words[1:]]


def of(*programs: str) -> list:
    """Each command of some programs once, with the page that it is first on."""
    first = {command: page for page, command in reversed(FOUND) if words_of(command)[0] in programs}
    return [pytest.param(page, command, id=f"{page}: {command[:70]}") for command, page in sorted(first.items())]


# The report is run, below; the executor for Kubernetes is no part of the environment.
PLANNED = [case for case in of("snakemake") if not re.search("--report|kubernetes", case.values[1])]


def test_there_are_commands_and_none_is_of_an_unknown_program():
    known = {"snakemake", "ssr-mmseg", "make", "python", "python3", "python3.11", *EXEMPT}
    unknown = [(page, command) for page, command in FOUND if words_of(command)[0] not in known]
    assert unknown == [], "check them here, or list their programs as exempt with the reason"
    assert {page for page, _ in FOUND} >= {"README.md", "docs/datasets.md", "docs/watching.md", "config/README.md"}


@pytest.mark.parametrize(("page", "command"), of("ssr-mmseg"))
def test_the_command_line_knows_it(page, command, monkeypatch, tmp_path, capsys):
    words = words_of(command)[1:]
    cli.parser().parse_args(words)
    if words[0] in CHEAP and "--watch" not in words:
        for name in ("config", "ssr_mmseg"):
            (tmp_path / name).symlink_to(PROJECT / name)
        monkeypatch.chdir(tmp_path)
        assert cli.main(words) == 0
        told = capsys.readouterr().out
        assert " done" in told if words[0] == "status" else json.loads(told)


def test_make_has_the_targets_and_python_the_scripts():
    targets = re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page, command in FOUND:
        program, *words = words_of(command)
        if program == "make":
            assert {word for word in words if "=" not in word} <= set(targets), (page, command)
        elif program.startswith("python"):
            assert words[0] == "-c" or words[:2] == ["-m", "venv"] or (PROJECT / words[0]).is_file(), (page, command)


@pytest.mark.parametrize(("page", "command"), PLANNED)
def test_snakemake_plans_it(page, command, checkout):
    words = words_of(command)[1:]
    for name in re.findall(r"config/(\w+)\.yaml", command):
        if not (checkout.folder / f"config/{name}.yaml").exists():  # the reader writes it as the page says
            (checkout.folder / f"config/{name}.yaml").write_text(example(page, name))
    call = checkout.snakemake(*words, *(() if {"-n", "--dry-run"} & set(words) else ["--dry-run"]))
    assert call.status == 0, call.output
    assert checkout.files() == []


def example(page: str, name: str) -> str:
    """The YAML block of a page that configures the dataset `name`."""
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
def test_links_and_pictures_lead_somewhere_and_pictures_have_words(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for mark, words, target in re.findall(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|#|mailto:", target):
            assert (page.parent / target.partition("#")[0]).exists(), target
        assert not mark or len(words) > 20, f"{target} has no words for who cannot see it"


def test_the_site_builds_without_a_warning_and_its_links_lead_somewhere(tmp_path):
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]  # quiet counts no warnings
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
