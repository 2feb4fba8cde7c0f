"""Being stopped, by a signal or because the time is up: within seconds, and only where nothing is lost by it.

Light on purpose: the command line is stoppable before it imports torch.
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

RESUMABLE = 75  # exit status of a process that was stopped and wants to be run again (EX_TEMPFAIL)
GRACE = 8.0  # seconds from a stop to the end of the process, saved or not
MARGIN = 60.0  # seconds before the end of the time budget at which a process stops; a tenth of a shorter budget
BUDGET = "SSR_MMSEG_TIME_BUDGET"  # environment variable: a duration
SLURM_END = "SLURM_JOB_END_TIME"  # set by Slurm 23 and newer: seconds since the epoch
SIGNALS = (signal.SIGTERM, signal.SIGINT)
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Stopped(SystemExit):
    """Ends the process with status `RESUMABLE`."""

    def __init__(self, reason: str) -> None:
        super().__init__(RESUMABLE)
        self.reason = reason


class _State:
    """What the signal handlers and the blocks below share: a process is stopped once."""

    active = False
    deferred = False
    concluded = False
    time_is_up = False
    reason: str | None = None


def requested() -> str | None:
    """Why the process is to stop, or None while it may go on."""
    return _State.reason


def conclude() -> None:
    """Ignore stops from here to the end of the `stoppable` block: the results are written.

    Were the process to end with another status than 0 now, Snakemake would delete them, and the saved state is going.
    """
    _State.concluded = True


@contextmanager
def stoppable(budget: float | None = None, last: bool = False) -> Iterator[None]:
    """Within the block SIGTERM, SIGINT and the end of the time budget raise `Stopped`, once.

    A `deferred` block inside has it wait. Whatever happens, the process ends `GRACE` seconds after it was told to: a
    thread sees to that even while the main thread computes or waits for a disk. Inner blocks of this kind, and those
    outside of the main thread, do nothing. Blocks end with the handlers that they found.

    Args:
        budget: Seconds until the process must have ended, by the monotonic clock: changes of the time of day do
            not matter. None for no limit.
        last: The process ends with the block: if it was concluded, the signals stay ignored.
    """
    if _State.active or threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner or _State.reason is not None or _State.concluded:
            return  # a process that loads data ends with its parent; a second signal must not disturb the last save
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
    watch.start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        for number in SIGNALS:
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
    """End the process `GRACE` seconds after its first signal; send it one when the deadline is reached."""
    forced = None
    while True:
        due = deadline if forced is None else forced
        left = None if due is None else min(max(due - time.monotonic(), 0.05), 1.0)
        if select.select([pipe], [], [], left)[0]:
            signals = os.read(pipe, 64)  # the numbers of the signals that came, or 0 at the block's end
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
            os.write(2, b"ssr-mmseg: stopped; what it was doing left no time for another save; run again to resume\n")
            os._exit(RESUMABLE)


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block a stop only makes `requested` tell it; it is raised at the block's end."""
    before, _State.deferred = _State.deferred, True
    try:
        yield
    finally:
        _State.deferred = before
    _raise_if_due()


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, which stands in a `deferred` one, a stop is raised at once: also one that came before."""
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
    """Let a process that loads data end without a word when it is told to: its parent decides what that means."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def time_left(option: str | None, environment: Mapping[str, str]) -> float | None:
    """Seconds that the process may take: the least of `option`, `BUDGET` and the end of its Slurm job.

    Args:
        option: A duration such as `90`, `90s`, `55m`, `2h` or `1d`, or None.

    Returns:
        None if nothing sets a limit. A Slurm job that seems to have ended sets none: the clocks disagree.

    Raises:
        UserError: a duration is malformed or not positive.
    """
    limits = [
        seconds(text, name) for text, name in ((option, "--time-budget"), (environment.get(BUDGET), BUDGET)) if text
    ]
    end = environment.get(SLURM_END, "")
    if end.isdecimal() and int(end) > time.time():
        limits.append(int(end) - time.time())
    return min(limits, default=None)


def seconds(text: str, name: str) -> float:
    """A duration in seconds.

    Raises:
        UserError: it is malformed or not positive; `name` says where it stands.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    value = float(found[1]) * UNITS[found[2]] if found else 0.0
    if value <= 0:
        raise UserError(f"{name}: expected a duration such as 90s, 55m, 2h or 1d, found {text!r}")
    return value
