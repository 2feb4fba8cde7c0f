"""One process at a time in a work folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.training.checkpoint.work_lock import claim, holder, release
from ssr_mmseg.utils.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from ssr_mmseg.training.checkpoint.work_lock import claim
claim(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def work(tmp_path) -> Path:
    folder = tmp_path / "work"
    yield folder
    release(folder)


@pytest.fixture
def other(work):
    """Another process that holds the claim."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(work)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_trains_there(work, other):
    with pytest.raises(UserError, match=rf"^process {other.pid} on \S+ is training in {work} already; wait until"):
        claim(work, patience=0)
    assert holder(work / "lock").startswith(f"process {other.pid} on ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_claim_ends_with_its_process(work, other, number):
    other.send_signal(number)
    claim(work, patience=60)
    assert other.wait() == -number
    assert (work / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_the_same_process_may_claim_again_and_keeps_the_claim(work):
    claim(work)
    claim(work)
    code = (
        "import sys; from pathlib import Path; from ssr_mmseg.training.checkpoint.work_lock import claim; "
        "claim(Path(sys.argv[1]), 0)"
    )
    call = subprocess.run([sys.executable, "-c", code, str(work)], cwd=PROJECT, capture_output=True, text=True)
    assert "UserError: process" in call.stderr
    release(work)
    assert holder(work / "lock") == ""


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
