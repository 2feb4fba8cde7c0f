"""Graceful shutdown on SIGTERM, SIGINT, SIGHUP or an expired time budget, at points where no work is lost.

Must not import torch: the command line can be stopped before torch is imported.
"""

import os
import re
import select
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.safe_parsing import quote

RESUMABLE = 75  # exit status of a process that was stopped and can be resumed (EX_TEMPFAIL)
GRACE = 8.0  # seconds from a request to stop until the process is ended, whether it has saved or not
MARGIN = 60.0  # a process stops this many seconds, or a tenth of its time budget, before the budget ends
BUDGET = "SSR_MMSEG_TIME_BUDGET"  # environment variable: a duration
SLURM_END = "SLURM_JOB_END_TIME"  # set by Slurm 23 and newer: seconds since the epoch
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LONGEST = 366 * 86400.0  # seconds of a time budget
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Stopped(SystemExit):
    """Exit with status `RESUMABLE` after a request to stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(RESUMABLE)
        self.reason = reason


class _State:
    """State shared by the signal handlers and the context managers below: a process is stopped once."""

    active = False
    deferred = False
    concluded = False
    time_is_up = False
    reason: str | None = None


def requested() -> str | None:
    """Return the reason to stop, or None if there is none."""
    return _State.reason


def conclude() -> None:
    """Ignore requests to stop until the end of the `stoppable` block, because the results are written.

    A non-zero exit at this point would make Snakemake delete them and run the stage again.
    """
    _State.concluded = True


@contextmanager
def stoppable(budget: float | None = None, last: bool = False) -> Iterator[None]:
    """Raise `Stopped` once on SIGTERM, SIGINT, SIGHUP or the end of the time budget, within the block.

    SIGHUP, which a closed terminal sends, stays ignored if it was, as below `nohup`.

    Inside a `deferred` block, the exception is raised when that block ends. In any case the process exits `GRACE`
    seconds after the request: a thread ensures it even while the main thread computes or waits for a disk. Nested
    blocks, and blocks outside of the main thread, have no effect. The previous signal handlers are restored at the end.

    Args:
        budget: Seconds until the process must have ended, by the monotonic clock, which changes of the system time do
            not affect. None for no limit.
        last: Whether the process ends with the block: after `conclude`, the signals then stay ignored.
    """
    if _State.active or threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner or _State.reason is not None or _State.concluded:
            return  # DataLoader workers end with their parent; a second signal must not disturb the last save
        _State.reason = "the end of the time budget" if _State.time_is_up else signal.Signals(number).name
        if not _State.deferred:
            raise Stopped(_State.reason)

    deadline = None if budget is None else time.monotonic() + budget - min(MARGIN, budget / 10)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watch = threading.Thread(target=_watch, args=(reading, deadline), daemon=True)
    _State.active, _State.reason = True, None
    _State.deferred = _State.concluded = _State.time_is_up = False
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    if handlers[signal.SIGHUP] is signal.SIG_IGN:
        del handlers[signal.SIGHUP]
    watch.start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        for number in handlers:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_IGN if last and _State.concluded else handler)
        signal.set_wakeup_fd(wakeup)
        os.write(writing, b"\0")
        watch.join()
        for end in (reading, writing):
            os.close(end)
        _State.active, _State.concluded, _State.reason = False, False, None


def _watch(pipe: int, deadline: float | None) -> None:
    """End the process `GRACE` seconds after its first signal; send SIGTERM when the deadline is reached."""
    forced = None
    while True:
        due = deadline if forced is None else forced
        left = None if due is None else min(max(due - time.monotonic(), 0.05), 1.0)
        if select.select([pipe], [], [], left)[0]:
            signals = os.read(pipe, 64)  # numbers of the signals received, or 0 at the end of the block
            if 0 in signals:
                return
            if forced is None and set(signals) & set(SIGNALS):
                forced = time.monotonic() + GRACE
        elif due is None or time.monotonic() < due or _State.concluded:
            continue
        elif forced is None:
            _State.time_is_up = True
            forced = time.monotonic() + GRACE
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        else:
            os.write(2, b"ssr-mmseg: stopped before it could save again; run again to resume from the last save\n")
            os._exit(RESUMABLE)


@contextmanager
def deferred() -> Iterator[None]:
    """Delay `Stopped` to the end of the block; meanwhile `requested` returns the reason."""
    before, _State.deferred = _State.deferred, True
    try:
        yield
    finally:
        _State.deferred = before
    _raise_if_due()


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Stopped` immediately within the block, inside a `deferred` one; also for an earlier request."""
    before, _State.deferred = _State.deferred, False
    try:
        _raise_if_due()
        yield
    finally:
        _State.deferred = before


def _raise_if_due() -> None:
    if _State.reason is not None and not _State.deferred:
        raise Stopped(_State.reason)


def quiet_loader_process(*_: object) -> None:
    """Make DataLoader workers exit silently on SIGTERM; the main process handles the shutdown."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def time_left(option: str | None, environment: Mapping[str, str]) -> float | None:
    """Return the seconds that the process may take: the shortest of `option`, `BUDGET` and the rest of its Slurm job.

    Args:
        option: A duration such as `90`, `90s`, `55m`, `2h` or `1d`, or None.

    Returns:
        None without a limit. A Slurm job that appears to have ended sets none, because the clocks disagree.

    Raises:
        UserError: A duration is malformed or not positive.
    """
    limits = [
        seconds(text, name) for text, name in ((option, "--time-budget"), (environment.get(BUDGET), BUDGET)) if text
    ]
    end = environment.get(SLURM_END, "")
    if re.fullmatch("[0-9]{1,11}", end) and int(end) > time.time():
        limits.append(int(end) - time.time())
    return min(limits, default=None)


def seconds(text: str, name: str) -> float:
    """Parse a duration and return it in seconds.

    Args:
        name: Name of the option or variable, for the message.

    Raises:
        UserError: The duration is malformed, not positive, or longer than `LONGEST`.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", text)
    value = float(match[1]) * UNITS[match[2]] if match else 0.0
    if not 0 < value <= LONGEST:
        raise UserError(f"{name}: expected a duration such as 90s, 55m, 2h or 1d, found {quote(text)}")
    return value
