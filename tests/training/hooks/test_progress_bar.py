"""The progress bar on a pseudo-terminal."""

import os
import pty
import re
import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys
from ssr_mmseg.training.hooks.progress_bar import Bar

logger = logging.getLogger("bar")
logger.setLevel(logging.INFO)
logger.addHandler(logging.StreamHandler(sys.stdout))
value = {"iterations": 4, "epoch": 1, "epochs": 2, "seconds_left": 3.0, "terms": {"loss_weights": 1.25},
         "miou_val": 41.0, "options_alive": 23, "cost_ratio": 0.5}
with Bar(logger) as bar:
    for iteration in range(1, 5):
        bar.show({**value, "iteration": iteration})
        logger.info(f"line {iteration} of the log")
logger.info("the bar is gone")
"""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(script: str, stdout=None) -> str:
    """Run a script on a terminal of 100 columns and return what appears there; `stdout` can redirect its output."""
    leader, follower = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "LINES": "30", "TERM": "xterm-256color"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=follower, stdout=stdout or follower, stderr=follower, env=environment
    )
    os.close(follower)
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # raised by Linux when the other end has been closed
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    assert process.wait() == 0, b"".join(parts).decode()
    return b"".join(parts).decode()


@pytest.fixture(scope="module")
def written():
    return on_terminal(SCRIPT)


def test_log_lines_stay_whole_above_the_bar(written):
    lines = [line.strip() for line in CONTROL.sub("", written).splitlines()]
    for expected in (*(f"line {number} of the log" for number in range(1, 5)), "the bar is gone"):
        assert expected in lines
    assert "\x1b[1A" in written  # the cursor moves up to redraw the bar


def test_the_bar_shows_position_miou_gates_and_losses(written):
    text = CONTROL.sub("", written)
    assert "100%  4/4  epoch 1/2  3 s left" in text
    assert "mIoU 41.0 % · 23 options alive · expected cost 0.50 · weights 1.25" in text


def test_the_cursor_is_shown_again_at_the_end(written):
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_output_to_a_file_is_not_redirected(tmp_path):
    with open(tmp_path / "out.txt", "w") as out:
        written = on_terminal(SCRIPT, stdout=out)
    lines = [f"line {number} of the log" for number in range(1, 5)]
    assert (tmp_path / "out.txt").read_text().splitlines() == [*lines, "the bar is gone"]
    assert "of the log" not in written
    assert "4/4" in CONTROL.sub("", written)
