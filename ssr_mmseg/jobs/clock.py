"""Correction of results whose modification times are in the future, because a clock was set back since.

Snakemake deletes the outputs of a job that are older than its inputs, so nothing could be computed from such results
before their time has come. Must not import torch: the Snakefile imports this module.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from ssr_mmseg.settings import paths

DIRECTORY_TIME = ".snakemake_timestamp"  # Snakemake's file in a folder that is an output


def correct_future_times(files: Iterable[str]) -> list[str]:
    """Set the modification times of results that are in the future to now, all alike, so that their order remains.

    Args:
        files: Inputs and outputs of all jobs, relative to the working folder. Those that do not exist are skipped.

    Returns:
        Warnings about files other than results; if there are any, nothing has been changed.
    """
    now = time.time()
    future = [file for file in sorted(set(files)) if (modified := _modified(file)) is not None and modified > now]
    strange = [file for file in future if paths.RESULTS not in Path(os.path.relpath(file)).parents]
    for file in future if not strange else []:
        for path in (file, os.path.join(file, DIRECTORY_TIME)):
            if os.path.exists(path):
                os.utime(path, (now, now))
    return [
        f"{file} was modified in the future, so Snakemake rejects what is computed from it; set the clock, or run: "
        f"touch {file}"
        for file in strange
    ]


def _modified(file: str) -> float | None:
    """Return a file's modification time as Snakemake sees it; None if it does not exist."""
    for path in (os.path.join(file, DIRECTORY_TIME), file):
        try:
            return os.stat(path).st_mtime
        except OSError:
            continue
    return None
