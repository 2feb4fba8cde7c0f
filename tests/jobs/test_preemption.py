"""Requests to stop a process: by signals and time budgets, when they take effect, and that the process ends in time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from patience import PATIENCE

from ssr_mmseg.jobs import preemption
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

NUMBERS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """Make the grace period long, because it would end the process of the tests."""
    monkeypatch.setattr(preemption, "GRACE", 3600.0)


@pytest.fixture(autouse=True)
def in_a_terminal() -> Iterator[None]:
    """Handle SIGHUP as in a terminal: it is ignored where the tests run below `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def send(number: int = signal.SIGTERM) -> None:
    """Send this process a signal; its handler has run when this returns."""
    os.kill(os.getpid(), number)
    time.sleep(0)


def run_until_stopped(block: Callable[[], None], budget: float | None = None) -> preemption.Stopped:
    """Run a block that must be stopped, and return the exception."""
    with pytest.raises(preemption.Stopped) as stopped, preemption.stoppable(budget):
        block()
    assert stopped.value.code == 75
    assert preemption.requested() is None
    return stopped.value


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_the_block_with_status_75_and_handlers_are_restored(number):
    before = [signal.getsignal(number) for number in NUMBERS]
    assert run_until_stopped(lambda: send(number)).reason == signal.Signals(number).name
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_sighup_stays_ignored_below_nohup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with preemption.stoppable():
        send(signal.SIGHUP)
        assert preemption.requested() is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


LATE = """
import os, signal
from ssr_mmseg.jobs import preemption
preemption.GRACE = 0.1
with preemption.stoppable({budget}, last=True):
    {conclude}
    os.kill(os.getpid(), signal.SIGTERM)
    __import__("time").sleep(1.5)
    print("all written", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("budget", [None, 0.5])
def test_after_conclude_requests_to_stop_are_ignored(budget):
    """Otherwise Snakemake would delete the results of a training whose saved state has been removed."""
    for conclude, ended in (("preemption.conclude()", (0, "all written\n")), ("pass", (preemption.RESUMABLE, ""))):
        script = LATE.format(budget=budget, conclude=conclude)
        done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == ended, done.stderr


def test_a_deferred_stop_waits_and_a_second_signal_is_ignored():
    done = []

    def block():
        with preemption.deferred():
            send()
            assert preemption.requested() == "SIGTERM"
            send(signal.SIGINT)
            done.append("saved")
        done.append("not reached")

    assert run_until_stopped(block).reason == "SIGTERM"
    assert done == ["saved"]


def test_cleanup_after_a_stop_is_not_interrupted_by_another_signal():
    done = []

    def block():
        try:
            send()
        finally:
            send(signal.SIGINT)
            done.append("cleaned")

    run_until_stopped(block)
    assert done == ["cleaned"]


def test_a_wait_within_a_deferred_block_is_cut_short():
    done = []

    def block():
        with preemption.deferred():
            try:
                with preemption.interruptible():
                    send()
                    done.append("not reached")
            finally:
                done.append(preemption.requested())

    run_until_stopped(block)
    assert done == ["SIGTERM"]


def test_a_request_before_a_wait_prevents_the_wait():
    done = []

    def block():
        with preemption.deferred():
            send()
            with preemption.interruptible():
                done.append("waited")

    run_until_stopped(block)
    assert done == []


def test_nested_blocks_keep_the_handlers():
    with preemption.stoppable():
        handler = signal.getsignal(signal.SIGTERM)
        with preemption.stoppable():
            assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_the_time_budget_is_independent_of_the_system_clock(monkeypatch, jump):
    wall = time.time
    began = time.monotonic()

    def block():
        monkeypatch.setattr(time, "time", lambda: wall() + jump)
        while time.monotonic() - began < PATIENCE:
            time.sleep(0.01)

    assert run_until_stopped(block, budget=0.5).reason == "the end of the time budget"
    assert time.monotonic() - began >= 0.45, "a tenth of the budget before its end, and not earlier"


def test_a_block_within_its_budget_is_not_stopped():
    with preemption.stoppable(1e6):
        assert preemption.requested() is None


HANG = """
import signal, time
from ssr_mmseg.jobs import preemption
preemption.GRACE = 0.2
with preemption.stoppable({budget}), preemption.deferred():
    print("ready", flush=True)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""


@pytest.mark.parametrize("budget", [None, 0.3])
def test_a_process_that_cannot_save_in_time_ends_anyway(budget):
    process = subprocess.Popen(
        [sys.executable, "-c", HANG.format(budget=budget)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    if budget is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == preemption.RESUMABLE
    (line,) = error.splitlines()
    assert line.startswith("ssr-mmseg: stopped before it could save again; ")


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("55m", 3300), ("2h", 7200), ("1.5h", 5400), ("1d", 86400)]
)
def test_durations(text, expected):
    assert preemption.seconds(text, "x") == expected


@pytest.mark.parametrize(
    "text",
    ["", "m", "-5m", "0", "1h30m", "inf", "nan", "1e3", "2 weeks", "367d", "9" * 400, "\u0661h", " 1h", "1h\n"],
)
def test_other_durations_are_one_line(text):
    with pytest.raises(UserError, match="--time-budget: expected a duration such as 90s, 55m, 2h or 1d, found"):
        preemption.seconds(text, "--time-budget")


def test_the_shortest_limit_applies(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    end = {preemption.SLURM_END: "1600"}
    budget = {preemption.BUDGET: "5m"}
    assert preemption.time_left(None, {}) is None
    assert preemption.time_left(None, end) == 600
    assert preemption.time_left(None, end | budget) == 300
    assert preemption.time_left("60", end | budget) == 60
    assert preemption.time_left("1h", end) == 600


@pytest.mark.parametrize("end", ["900", "", "soon"])
def test_an_invalid_end_is_not_a_limit(monkeypatch, end):
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert preemption.time_left(None, {preemption.SLURM_END: end}) is None


def test_a_command_that_is_still_starting_ends_at_once():
    """The handlers are installed before torch is imported."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ssr_mmseg", "prepare", "--dataset", "streets", "--config", "/dev/stdin"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not caught(process.pid, signal.SIGTERM):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == preemption.RESUMABLE
    assert error.splitlines() == ["ssr-mmseg: stopped by SIGTERM; run again to resume"]


def caught(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        mask = next(line for line in status if line.startswith("SigCgt"))
    return bool(int(mask.split()[1], 16) >> number - 1 & 1)
