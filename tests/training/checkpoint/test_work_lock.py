"""One process at a time holds the lock of a work folder."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.training.checkpoint.work_lock import claim, holder, release
from ssr_mmseg.utils.errors import UserError

HOLD = """
import os, sys, time
from pathlib import Path
from ssr_mmseg.training.checkpoint.work_lock import claim
claim(Path(sys.argv[1]))
child = os.fork() if "fork" in sys.argv else 0
if not child and "fork" in sys.argv:
    time.sleep(600)
print("held", child, flush=True)
time.sleep(600)
"""
CLAIM = """
import sys
from pathlib import Path
from ssr_mmseg.training.checkpoint.work_lock import claim
claim(Path(sys.argv[1]), 0)
"""


def holding(work: Path, *options: str) -> tuple[subprocess.Popen, int]:
    """Start a process that holds the lock; return it and the id of the child that it forked, 0 without `fork`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(work), *options], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    word, child = process.stdout.readline().split()
    assert word == "held"
    return process, int(child)


def error_of_another_process(work: Path) -> str:
    """Return what a second process prints that claims the folder without waiting."""
    command = [sys.executable, "-c", CLAIM, str(work)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stderr


@pytest.fixture
def work(tmp_path) -> Path:
    folder = tmp_path / "work"
    yield folder
    release(folder)


@pytest.fixture
def other(work):
    """Another process that holds the lock."""
    process, _ = holding(work)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_learns_who_trains_there(work, other):
    with pytest.raises(UserError, match=rf"^process {other.pid} on \S+ is training in {work} already; wait until"):
        claim(work, patience=0)
    assert holder(work / "lock").startswith(f"process {other.pid} on ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_process(work, other, number):
    other.send_signal(number)
    claim(work, patience=60)
    assert other.wait() == -number
    assert (work / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_parent(work):
    process, child = holding(work, "fork")
    try:
        process.kill()
        process.wait()
        claim(work, patience=60)  # the child drops the lock as soon as it runs, perhaps after its parent was killed
        os.kill(child, 0)  # it is still alive
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


def test_the_same_process_may_claim_again_and_keeps_the_lock(work):
    claim(work)
    claim(work)
    assert holder(work / "lock").startswith(f"process {os.getpid()} on "), "asking does not release it"
    assert "UserError: process" in error_of_another_process(work)
    release(work)
    assert holder(work / "lock") == ""


def test_a_folder_removed_by_the_process_that_finishes_is_made_again(work):
    claim(work)

    def finish() -> None:
        shutil.rmtree(work)
        release(work)

    timer = threading.Timer(1.0, finish)
    timer.start()
    assert (
        "Error"
        not in subprocess.run(
            [sys.executable, "-c", CLAIM.replace("0)", "60)"), str(work)], cwd=PROJECT, capture_output=True, text=True
        ).stderr
    )
    timer.join()
    assert (work / "lock").read_text().startswith("process ")


def test_a_folder_deleted_under_its_process_is_locked_again(work):
    claim(work)
    shutil.rmtree(work)
    claim(work)
    assert "UserError: process" in error_of_another_process(work)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_does_not_prevent_a_training(work, monkeypatch, number):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    claim(work, patience=0)
    assert (work / "lock").is_file()
    assert holder(work / "lock") == ""


def test_asking_who_holds_a_lock_makes_no_folder(tmp_path):
    assert holder(tmp_path / "work/lock") == ""
    assert not (tmp_path / "work").exists()


def test_half_written_files_of_a_killed_process_are_removed(work):
    work.mkdir()
    (work / ".next.abc.pth").write_text("half")
    (work / "state.pth").write_text("whole")
    claim(work)
    assert sorted(path.name for path in work.iterdir()) == ["lock", "state.pth"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(
        UserError, match=r"could not write .*results/work/x/lock: Not a directory; free space or choose"
    ):
        claim(tmp_path / "results/work/x")
