"""The number of CPU threads, which must not be more than the machine has cores."""

import os

from ssr_mmseg.utils.errors import UserError


def check_threads(threads: int, setting: str) -> None:
    """Refuse more threads than cores: they wait for each other, so that milliseconds become seconds.

    Args:
        threads: Their number; 0 for one per core.
        setting: What sets it, for the message.

    Raises:
        UserError: There are fewer cores.
    """
    cores = os.cpu_count() or threads
    if threads > cores:
        raise UserError(f"{setting}: expected at most {cores}, the cores of this machine, found {threads}; reduce it")
