"""What a job tells about itself while it runs, and how others learn that it has ended."""

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
from ssr_mmseg.jobs.progress import job_name, progress_path, read, recorded, state_of
from ssr_mmseg.utils.errors import UserError

JOB = "search/town-seed0"
CONFIG = "datasets: {town: {type: streets, size: [64, 64]}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told():
    return read(progress_path(JOB))


def test_jobs_are_named_as_their_logs():
    assert job_name("prepare", "town") == "prepare/town"
    assert job_name("search", "town", 0, "") == "search/town-seed0"
    assert job_name("shrink", "town", 0, 2) == "shrink/town-seed0-2"
    assert job_name("retrain", "ablation/ssr-keep-joint", 3, "erfnet") == "retrain/ablation/ssr-keep-joint-seed3-erfnet"
    assert job_name("table") == "table"


def test_it_runs_as_this_process_and_is_done_at_the_end():
    with recorded(JOB):
        running = told()
        assert state_of(running, time.time()) == "running"
        assert (running["pid"], running["host"]) == (os.getpid(), socket.gethostname())
        progress.note(progress_path(JOB), iteration=3)
    ended = told()
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
def test_an_error_is_told_and_passed_on(error, state, message):
    with pytest.raises(type(error)), recorded(JOB):
        raise error
    assert (told()["state"], told()["message"]) == (state, message)


def test_a_new_attempt_starts_anew():
    with pytest.raises(ValueError, match="odd"), recorded(JOB):
        raise ValueError("odd")
    with recorded(JOB):
        assert "message" not in told()


def test_a_process_that_vanished_has_failed():
    code = f"import os\nfrom ssr_mmseg.jobs.progress import recorded\nwith recorded({JOB!r}): os.kill(os.getpid(), 9)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == -9
    assert told()["state"] == "running"
    assert state_of(told(), time.time()) == "failed"


def test_another_process_with_the_same_number_is_not_taken_for_it():
    with recorded(JOB):
        assert state_of({**told(), "started": 1000.0}, time.time()) == "failed"


def test_a_job_on_another_machine_is_judged_by_its_signs_of_life(monkeypatch):
    monkeypatch.setattr(progress, "BEAT", 0.02)
    with recorded(JOB):
        first = told()["updated"]
        while told()["updated"] == first:
            time.sleep(0.02)
        far = {**told(), "host": "elsewhere"}
    assert state_of(far, far["updated"] + 1) == "running"
    assert state_of(far, far["updated"] + progress.SILENCE + 1) == "failed"


@pytest.mark.parametrize("value", [{}, {"state": "odd"}, {"state": "running"}, {"state": 3}])
def test_what_is_no_progress_is_refused(value):
    with pytest.raises((KeyError, TypeError, ValueError)):
        state_of(value, 0.0)


@pytest.mark.parametrize("text", ["", "[]", "3", "{"])
def test_a_damaged_file_reads_as_empty(text):
    progress_path(JOB).parent.mkdir(parents=True)
    progress_path(JOB).write_text(text)
    assert told() == {}


def test_only_the_first_of_several_processes_tells(monkeypatch, folder):
    monkeypatch.setenv("RANK", "1")
    with recorded(JOB):
        assert not (folder / "results").exists()


def test_the_command_line_records_a_stage_and_nothing_of_a_mistyped_dataset(folder, capsys):
    (folder / "own.yaml").write_text(CONFIG)
    arguments = ["evaluate", "--config", "own.yaml", "--network", "erfnet"]
    assert main([*arguments, "--dataset", "../../twon"]) == 2
    assert not (folder / "results").exists()
    assert main([*arguments, "--dataset", "town"]) == 2
    told = json.loads((folder / "results/jobs/evaluate/town-seed0-erfnet/progress.json").read_text())
    assert told["state"] == "failed"
    assert told["message"] in capsys.readouterr().err
    assert main(["cost", "--genotype", "none.json", "--classes", "2", "--size", "64x64"]) == 2
    assert [path.name for path in (folder / "results/jobs").iterdir()] == ["evaluate"]
