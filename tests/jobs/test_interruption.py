"""A signal to a process that runs stages reaches the stages, once each and not their child processes."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from patience import PATIENCE

from ssr_mmseg.settings.paths import PROJECT

# In place of Snakemake: runs a stage by a shell, as a rule does, and another program.
RUNNER = """
import signal, subprocess, sys, time
from ssr_mmseg.jobs.interruption import pass_on_signals
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
pass_on_signals()
stage = subprocess.Popen(["bash", "-c", f"trap : TERM; {sys.executable} -m ssr_mmseg; echo ended $?"], cwd=sys.argv[1])
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
try:
    stage.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    stage.wait()
print("other", other.poll(), flush=True)
other.kill()
"""
# In place of a stage: has a child process, as for loading data, and saves when it gets SIGTERM.
STAGE = """
import os, signal, sys, time
child = os.fork()
def handle(number, frame):
    open("signals", "a").write(f"{'stage' if child else 'child'} {number}\\n")
    if child:
        os.kill(child, signal.SIGKILL)
        sys.exit(75)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, handle)
if child:
    open("ready", "w").close()
while True:
    time.sleep(0.05)
"""


@pytest.mark.parametrize(("number", "message"), [(signal.SIGTERM, "handled"), (signal.SIGINT, "interrupted")])
def test_a_signal_to_the_runner_alone_lets_its_stages_save(tmp_path, number, message):
    package = tmp_path / "ssr_mmseg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(textwrap.dedent(STAGE))
    command = [sys.executable, "-c", RUNNER, str(tmp_path)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    wait_for(tmp_path / "ready", process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE)
    assert sorted(output.splitlines()) == sorted([message, "ended 75", "other None"])
    assert (tmp_path / "signals").read_text().splitlines() == [f"stage {int(signal.SIGTERM)}"]


def wait_for(path: Path, process: subprocess.Popen) -> None:
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
