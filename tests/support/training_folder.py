"""A folder in which networks are trained, copied for each test, and trainings that are interrupted there."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from ssr_mmseg.jobs import preemption
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.training.checkpoint.work_lock import release
from ssr_mmseg.training.loop import ResumableTrainLoop


def enter_copy(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a copy of a prepared folder the working directory of the test, and return it."""
    monkeypatch.setattr(preemption, "GRACE", 3600.0)
    shutil.copytree(prepared, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def interrupt_third_step(config: dict[str, Any], dataset: str, network: str) -> None:
    """Train, with seed 0, until a SIGTERM in the third step; the state of the first steps is saved."""
    iterate = ResumableTrainLoop.run_iter

    def stop_in_third(self, idx, data_batch):
        if self.iter == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        iterate(self, idx, data_batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResumableTrainLoop, "run_iter", stop_in_third)
        with pytest.raises(SystemExit):
            retrain(config, dataset, 0, network)
    for work in Path("results/work").iterdir():
        release(work)  # as the end of the process would do
