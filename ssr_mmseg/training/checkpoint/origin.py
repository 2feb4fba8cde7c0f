"""Which training a state or a file of weights is of: it says so, and a file of another training is refused.

Their tensors have the same names and shapes for every seed, and often for another configuration.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ssr_mmseg.utils.errors import UserError, one_line

KEY = "origin"  # of a state, and of the `meta` of weights


def note(line: str) -> None:
    """Print a line to the job's log."""
    print(line, file=sys.stderr)


def check_origin(
    path: Path, kind: str, given: Any, expected: Mapping[str, str | int], warn: Callable[[str], Any] = note
) -> None:
    """Refuse a file of another training.

    Args:
        path: The file.
        kind: What it holds, for messages: `state` or `weights`.
        given: What it says; None for a file of an earlier version, which is accepted.
        expected: What it must say, such as the identity, the seed and the network.
        warn: Called with one line if the file says nothing.

    Raises:
        UserError: It says something else.
    """
    if given is None:
        warn(f"{path} does not say which training it is of, as files of earlier versions; it is used")
        return
    said = given if isinstance(given, dict) else {}
    others = [
        f"{key} {one_line(said.get(key), 100)}, expected {value}"
        for key, value in expected.items()
        if type(said.get(key)) is not type(value) or said[key] != value
    ]
    if others:
        verb = "is" if kind == "state" else "has"
        raise UserError(
            f"{path} {verb} the {kind} of another training ({'; '.join(others)}); put back the right one, or delete it "
            "and run again"
        )
