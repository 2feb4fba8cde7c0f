"""A working directory with a copy of the project's mmengine configs, to make mistakes in."""

import shutil

import pytest

from ssr_mmseg.settings.paths import PROJECT


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """The folder `config/mmseg` of the working directory."""
    shutil.copytree(PROJECT / "config/mmseg", tmp_path / "config/mmseg")
    shutil.copytree(PROJECT / "config/genotypes", tmp_path / "config/genotypes")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config/mmseg"
