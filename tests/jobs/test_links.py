"""Links in the folder of results: those that lead elsewhere are refused, the user's own arrangements are not."""

import os
from pathlib import Path

import pytest

from ssr_mmseg.cli import main
from ssr_mmseg.jobs.links import check_links
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

FILE = "results/town/seed0/search/state.pth"
PARTS = ["results/town", "results/town/seed0", "results/town/seed0/search", FILE]


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """A folder elsewhere that must stay empty; the test runs in another."""
    for name in ("outside", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "outside"


def link(name: str, target: Path | str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).symlink_to(target)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("target", ["existing", "missing", "relative"])
def test_a_link_that_leads_elsewhere_is_refused(outside, part, target):
    place = {"existing": outside, "missing": outside / "x", "relative": os.path.relpath(outside, Path(part).parent)}
    link(part, place[target])
    with pytest.raises(UserError, match=f"^{part} is a link to {outside}.*outside of results; nothing is written"):
        check_links(["results/other/a", FILE])


def test_links_of_the_users_are_accepted(outside):
    link("results", outside / "results")
    (outside / "results/shared").mkdir(parents=True)
    link("results/town", "shared")
    check_links([FILE, str(Path.cwd() / FILE), "elsewhere/file", "/dev/null"])


def test_a_job_writes_nothing_through_such_a_link(outside, capsys):
    config = {"device": "cpu", "datasets": {"town": {"type": "streets", "size": [32, 64]}}}
    write_json(Path("own.json"), config)
    for name in ("results/town", "results/jobs"):
        link(name, outside)
        assert main(["prepare", "--config", "own.json", "--dataset", "town"]) == 2
        assert f"ssr-mmseg: {name} is a link to " in capsys.readouterr().err
        assert not list(outside.iterdir())
        Path(name).unlink()
