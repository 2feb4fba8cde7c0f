"""Folders in which the dataset of the tiny experiment is prepared: once for all tests."""

import shutil
from pathlib import Path

import pytest
from tiny_experiment import DATASET, experiment

from ssr_mmseg import layout, settings
from ssr_mmseg.datasets.prepare import prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A folder in which the dataset has been rendered."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        manifest = Path(layout.MANIFEST.format(dataset=DATASET))
        prepare(settings.for_dataset(experiment(), DATASET)["dataset"], manifest.parent)
    return folder


@pytest.fixture
def workplace(prepared, tmp_path, monkeypatch):
    """A function that makes a fresh folder with the prepared dataset the working directory, and returns it."""

    def enter(name: str) -> Path:
        shutil.copytree(prepared, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    return enter
