"""Measurements of candidates, kept in a file so that an interrupted selection continues, with the time they took."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError


class Candidates:
    """Scores by the key of a candidate, in the order in which they were measured.

    A selector that is deterministic except for these scores repeats itself after an interruption without measuring
    anything twice.

    Args:
        path: File of the measurements, one JSON value per line; None keeps them in memory only.

    Raises:
        UserError: The file is malformed before its last line, which an interruption may have cut short.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.history: list[dict] = []  # `key`, `score` and `seconds` of each
        if path is not None and path.is_file():
            self._read(path)
        self.scores = {entry["key"]: entry["score"] for entry in self.history}

    @property
    def seconds(self) -> float:
        """Time that all measurements took."""
        return sum(entry["seconds"] for entry in self.history)

    def seconds_of(self, key: str) -> float:
        """Return the time that the measurement of a candidate took."""
        return next(entry["seconds"] for entry in self.history if entry["key"] == key)

    def score(self, key: str, measure: Callable[[], tuple[float, float]]) -> float:
        """Return the score of a candidate, measured only the first time.

        Args:
            key: Name of the candidate.
            measure: Returns its score and the seconds that this took; see `timed`.
        """
        if key not in self.scores:
            score, seconds = measure()
            entry = {"key": key, "score": float(score), "seconds": float(seconds)}
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")
            self.history.append(entry)
            self.scores[key] = entry["score"]
        return self.scores[key]

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                self.history.append(
                    {"key": str(entry["key"]), "score": float(entry["score"]), "seconds": float(entry["seconds"])}
                )
            except (ValueError, TypeError, KeyError) as error:
                if number < len(lines) or text.endswith("\n"):
                    raise UserError(f"{path} is malformed in line {number}; delete it to start again") from error
        if not text.endswith("\n"):
            files.write_text(path, "".join(f"{json.dumps(entry)}\n" for entry in self.history))


def timed(function: Callable[[], float]) -> Callable[[], tuple[float, float]]:
    """Return a function that returns the value of another one and the seconds that it took."""

    def measure() -> tuple[float, float]:
        started = time.monotonic()
        value = function()
        return value, time.monotonic() - started

    return measure
