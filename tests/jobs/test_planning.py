"""The check of planned configs, with a stand-in for the process that checks."""

import os
import subprocess

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs import planning
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

SEARCH = "config/mmseg/supernet_streets.py"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The lists of configs that the process was asked to check; a search whose name is in `wrong` has a mistake."""
    monkeypatch.chdir(tmp_path)
    lists: list[list[str]] = []

    def find(configs):
        lists.append([config.name for config in configs])
        return [f"{SEARCH}: wrong" if (config.part == "search" and lists.wrong) else None for config in configs]

    class Lists(list):
        wrong = False

    lists = Lists()
    monkeypatch.setattr(planning, "find_mistakes", find)
    return lists


@pytest.fixture(scope="module")
def config():
    config = settings.read_config(PROJECT / settings.DEFAULTS)
    return {key: value for key, value in config.items() if key != "ablation"}  # whose variants have options


def test_only_the_config_with_the_mistake_is_checked_again(asked, config):
    asked.wrong = True
    for _ in range(2):
        with pytest.raises(UserError, match=f"{SEARCH}: wrong"):
            planning.check_plan(config)
    asked.wrong = False
    planning.check_plan(config)
    planning.check_plan(config)
    assert len(asked[0]) > 1
    assert asked[1:] == [[SEARCH], [SEARCH]]


@pytest.mark.parametrize("changed", ["packages", "record"])
def test_everything_is_checked_again_after_a_change_of(asked, config, monkeypatch, changed):
    planning.check_plan(config)
    if changed == "packages":
        monkeypatch.setattr(planning, "_version", lambda package: "99")
    else:
        planning.PASSED.write_text('["not such a record"]')
    planning.check_plan(config)
    assert len(asked) == 2
    assert asked[0] == asked[1] != []


def test_a_folder_that_cannot_be_written_to_is_no_error(asked, config):
    planning.PASSED.parent.write_text("a file in the way")
    planning.check_plan(config)
    planning.check_plan(config)
    assert len(asked) == 2
    assert asked[0] == asked[1] != []


def test_nothing_is_checked_where_mmseg_is_not_installed(tmp_path, config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(planning.importlib.util, "find_spec", lambda name: None)
    planning.check_plan(config)
    assert not planning.PASSED.exists()


def test_a_crash_of_the_process_is_one_line(tmp_path, config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crash = subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: libtorch.so: no such file\n")
    monkeypatch.setattr(planning.subprocess, "run", lambda *_, **__: crash)
    with pytest.raises(UserError) as caught:
        planning.check_plan(config)
    assert str(caught.value) == (
        "could not check the mmengine configs: ImportError: libtorch.so: no such file; run `ssr-mmseg doctor`"
    )
    assert os.listdir() == []
