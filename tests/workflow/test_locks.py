"""Two Snakemake processes in one folder, and the lock that a killed one leaves."""

import os
import signal
import time

import pytest
from patience import PATIENCE

from ssr_mmseg.stages import doctor

ARGUMENTS = ("--config", "networks=[erfnet]", "threads={search: 2}")


@pytest.fixture
def running(checkout):
    """A Snakemake process whose prepare job runs and waits for a file `go`."""
    process = checkout.start(*ARGUMENTS, PRETEND_WAIT="prepare")
    log = checkout.folder / "results/logs/prepare/streets.log"
    while not log.exists():
        assert process.poll() is None, (checkout.folder / "output.txt").read_text()
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_second_snakemake_stops_with_a_message_and_the_first_goes_on(checkout, running, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    second = checkout.snakemake(*ARGUMENTS)
    assert second.status != 0
    assert "Directory cannot be locked" in second.output
    assert "--unlock" in second.output
    assert "Traceback" not in second.output
    finding = doctor.check_snakemake_lock()
    assert finding.level == "ok"
    assert f"process {running.pid}" in finding.message
    (checkout.folder / "go").touch()
    assert running.wait(timeout=PATIENCE) == 0, (checkout.folder / "output.txt").read_text()
    assert (checkout.folder / "results/table.csv").is_file()
    assert doctor.check_snakemake_lock().message == "snakemake is not running in this folder"


def test_the_message_about_a_stale_lock_says_how_to_remove_it(checkout, running, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    finding = doctor.check_snakemake_lock()
    assert finding.level == "fail"
    assert "`snakemake --unlock`" in finding.message
    refused = checkout.snakemake(*ARGUMENTS)
    assert refused.status != 0
    assert "It can be removed with the --unlock argument" in refused.output
    assert checkout.snakemake(*ARGUMENTS, "--unlock").status == 0
    call = checkout.snakemake(*ARGUMENTS)
    assert call.status == 0, call.output
    assert {"prepare", "table"} <= {job["rule"] for job in call.jobs}, (
        "the interrupted job runs again without a further option"
    )
