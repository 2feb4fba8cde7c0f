"""Signals to Snakemake alone are passed on to the stages that it runs, so that trainings save and end.

A terminal sends Ctrl-C to all processes, but `kill`, a service manager and a container send a signal to Snakemake only,
which would then wait until its jobs are done. Must not import torch: the Snakefile imports this module.
"""

import contextlib
import signal
from functools import partial
from types import FrameType
from typing import Any

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MODULE = "ssr_mmseg"  # a word of the command line of every stage


def pass_on_signals() -> None:
    """Send SIGTERM to all stages that this process runs when it receives one of `SIGNALS`, then handle it as before."""
    for number in SIGNALS:
        signal.signal(number, partial(_pass_on, signal.getsignal(number)))


def _pass_on(handler: Any, number: int, frame: FrameType | None) -> None:
    for process in _stages():
        with contextlib.suppress(psutil.Error):
            process.terminate()
    if callable(handler):
        handler(number, frame)


def _stages() -> list[psutil.Process]:
    """Return the stages that this process runs, without their own child processes, such as data loaders."""
    stages = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            if MODULE in process.cmdline() and not (parent and MODULE in parent.cmdline()):
                stages.append(process)
    return stages
