"""Results from the future are given the present time; other files are named and left as they are."""

import os
import time
from pathlib import Path

import pytest

from ssr_mmseg.jobs.clock import DIRECTORY_TIME, correct_future_times

DAY = 86400.0


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, days: float) -> str:
    """Write a file that was modified some days from now."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time.time() + days * DAY,) * 2)
    return name


def age(name: str) -> float:
    """Return how long ago a file was modified, in days."""
    return (time.time() - os.stat(name).st_mtime) / DAY


def test_results_from_the_future_are_from_now_and_keep_their_order():
    old, first, second = write("results/old", -1), write("results/a/first", 1), write("results/b/second", 2)
    assert correct_future_times([second, first, old, "results/missing"]) == []
    assert os.stat(first).st_mtime == os.stat(second).st_mtime
    assert 0 <= age(first) < 0.01
    assert age(old) == pytest.approx(1, abs=0.01)


def test_a_folder_has_the_time_of_snakemakes_file():
    inside = write(f"results/predictions/{DIRECTORY_TIME}", 1)
    assert correct_future_times(["results/predictions"]) == []
    assert 0 <= age(inside) < 0.01


def test_a_file_of_the_users_is_named_and_nothing_is_changed():
    result, theirs = write("results/a", 1), write("weights/mine.pth", 1)
    (line,) = correct_future_times([result, os.path.abspath(theirs)])
    assert line.startswith(f"{os.path.abspath(theirs)} was modified in the future, ")
    assert age(result) < -0.9
    assert age(theirs) < -0.9
