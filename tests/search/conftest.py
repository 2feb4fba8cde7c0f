"""Fixtures: folders in which the tiny experiment is prepared or has run, and a way to stop a training."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from tiny_experiment import DATASET, experiment, run_all

from ssr_mmseg import settings
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.jobs import preemption
from ssr_mmseg.jobs.preemption import RESUMABLE
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.work_lock import release


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """Give stopped trainings any time to finish: otherwise the process of the tests would be killed."""
    monkeypatch.setattr(preemption, "GRACE", 3600.0)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A folder with the rendered dataset."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        manifest = Path(paths.MANIFEST.format(dataset=DATASET))
        prepare(settings.for_dataset(experiment(), DATASET)["dataset"], manifest.parent)
    return folder


@pytest.fixture
def workplace(prepared, tmp_path, monkeypatch):
    """A function that enters a new folder with the prepared dataset, and returns its path."""

    def enter(name: str) -> Path:
        shutil.copytree(prepared, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    return enter


@pytest.fixture(scope="session")
def finished(prepared, tmp_path_factory) -> Path:
    """A folder in which all stages have run without interruption with seed 0."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_all()
    return folder


@pytest.fixture
def stopped(monkeypatch):
    """A function that runs a stage and sends SIGTERM during its iteration `number`, counted from 1."""

    def run(loop: type, number: int, stage, *arguments) -> None:
        count = 0
        iterate = loop.run_iter

        def run_iter(self, idx, data_batch):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGTERM)
            iterate(self, idx, data_batch)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "run_iter", run_iter)
            with pytest.raises(SystemExit) as caught:
                stage(*arguments)
        assert caught.value.code == RESUMABLE
        assert count == number
        for work in Path("results/work").iterdir():
            release(work)  # as the exit of the process would

    return run
