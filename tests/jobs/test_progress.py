"""Progress records of jobs, and how other processes detect that a job has ended."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from ssr_mmseg.cli import main
from ssr_mmseg.jobs import progress
from ssr_mmseg.jobs.preemption import RESUMABLE
from ssr_mmseg.jobs.progress import progress_path, read, recorded, state_of
from ssr_mmseg.utils.errors import UserError

JOB = "search/town-seed0"
CONFIG = "datasets: {town: {type: streets, size: [64, 64]}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recorded_progress():
    return read(progress_path({}, JOB))


def test_a_job_is_recorded_as_running_in_this_process_and_then_as_done():
    with recorded({}, JOB):
        running = recorded_progress()
        assert state_of(running, time.time()) == "running"
        assert (running["pid"], running["host"]) == (os.getpid(), socket.gethostname())
        progress.note(progress_path({}, JOB), iteration=3)
    ended = recorded_progress()
    assert ended["state"] == "done"
    assert ended["iteration"] == 3
    assert ended["started"] <= ended["ended"]


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (UserError("batch_size is too large; lower it"), "failed", "batch_size is too large; lower it"),
        (ValueError("odd"), "failed", "ValueError: odd"),
        (SystemExit(RESUMABLE), "interrupted", "SystemExit: 75"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt: "),
    ],
)
def test_an_error_is_recorded_and_raised(error, state, message):
    with pytest.raises(type(error)), recorded({}, JOB):
        raise error
    assert (recorded_progress()["state"], recorded_progress()["message"]) == (state, message)


def test_a_new_attempt_resets_the_record():
    with pytest.raises(ValueError, match="odd"), recorded({}, JOB):
        raise ValueError("odd")
    with recorded({}, JOB):
        assert "message" not in recorded_progress()


def test_a_job_whose_process_is_gone_has_failed():
    killed = f"with recorded({{}}, {JOB!r}): os.kill(os.getpid(), 9)"
    code = f"import os\nfrom ssr_mmseg.jobs.progress import recorded\n{killed}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == -9
    assert recorded_progress()["state"] == "running"
    assert state_of(recorded_progress(), time.time()) == "failed"


def test_another_process_with_the_same_id_is_recognized():
    with recorded({}, JOB):
        assert state_of({**recorded_progress(), "started": 1000.0}, time.time()) == "failed"


def test_a_job_on_another_machine_is_judged_by_its_heartbeat(monkeypatch):
    monkeypatch.setattr(progress, "BEAT", 0.02)
    with recorded({}, JOB):
        first = recorded_progress()["updated"]
        while recorded_progress()["updated"] == first:
            time.sleep(0.02)
        far = {**recorded_progress(), "host": "elsewhere"}
    assert state_of(far, far["updated"] + 1) == "running"
    assert state_of(far, far["updated"] + progress.SILENCE + 1) == "failed"


@pytest.mark.parametrize("value", [{}, {"state": "odd"}, {"state": "running"}, {"state": 3}])
def test_malformed_progress_is_rejected(value):
    with pytest.raises((KeyError, TypeError, ValueError)):
        state_of(value, 0.0)


@pytest.mark.parametrize("text", ["", "[]", "3", "{"])
def test_a_damaged_file_reads_as_empty(text):
    progress_path({}, JOB).parent.mkdir(parents=True)
    progress_path({}, JOB).write_text(text)
    assert recorded_progress() == {}


def test_only_rank_0_records_progress(monkeypatch, folder):
    monkeypatch.setenv("RANK", "1")
    with recorded({}, JOB):
        assert not (folder / "results").exists()


def test_the_command_line_records_a_stage_unless_the_dataset_is_unknown(folder, capsys):
    (folder / "own.yaml").write_text(CONFIG)
    arguments = ["evaluate", "--config", "own.yaml", "--network", "erfnet"]
    assert main([*arguments, "--dataset", "twon"]) == 2
    with pytest.raises(SystemExit):
        main([*arguments, "--dataset", "../../twon"])
    assert not (folder / "results").exists()
    assert main([*arguments, "--dataset", "town"]) == 2
    progress = json.loads((folder / "results/jobs/evaluate/town-seed0-erfnet/progress.json").read_text())
    assert progress["state"] == "failed"
    assert progress["message"] in capsys.readouterr().err
    assert main(["cost", "--genotype", "none.json", "--classes", "2", "--size", "64x64"]) == 2
    assert [path.name for path in (folder / "results/jobs").iterdir()] == ["evaluate"]
