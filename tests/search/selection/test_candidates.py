"""Measurements of candidates survive an interruption and are never repeated."""

import pytest

from ssr_mmseg.search.selection.candidates import Candidates, timed
from ssr_mmseg.utils.errors import UserError


def test_a_candidate_is_measured_once(tmp_path):
    path, calls = tmp_path / "work" / "candidates.jsonl", []

    def measure(name, value, seconds):
        calls.append(name)
        return value, seconds

    first = Candidates(path)
    assert first.score("a", lambda: measure("a", 3, 1.5)) == 3.0
    assert first.score("b", lambda: measure("b", 4.25, 2)) == 4.25
    assert first.score("a", lambda: measure("a", 9, 9)) == 3.0
    again = Candidates(path)
    assert again.history == first.history
    assert again.score("b", lambda: measure("b", 9, 9)) == 4.25
    assert (again.seconds, again.seconds_of("b")) == (3.5, 2.0)
    assert calls == ["a", "b"]


def test_a_measurement_cut_short_is_repeated(tmp_path):
    path = tmp_path / "candidates.jsonl"
    whole = Candidates(path)
    for name in "abc":
        whole.score(name, lambda: (1.0, 1.0))
    text = path.read_text()
    for length in range(len(text)):
        path.write_text(text[:length])
        cut = Candidates(path)
        complete = text[:length].count("}")
        assert [entry["key"] for entry in cut.history] == list("abc"[:complete])
        for name in "abc":
            cut.score(name, lambda: (1.0, 1.0))
        assert Candidates(path).history == whole.history


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"key": "a"}', '{"key": "a", "score": "x", "seconds": 1}'])
def test_a_malformed_line_is_refused(tmp_path, line):
    path = tmp_path / "candidates.jsonl"
    path.write_text(f'{line}\n{{"key": "b", "score": 1, "seconds": 1}}\n')
    with pytest.raises(UserError, match="malformed in line 1; delete it to start again"):
        Candidates(path)


def test_timed_returns_value_and_seconds():
    value, seconds = timed(lambda: 7.0)()
    assert value == 7.0
    assert 0 <= seconds < 5
