"""Malformed documents of every kind raise only documented errors and touch nothing else."""

import itertools
import os
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds import KINDS, Kind
from watch import TooLongError, TouchedError, watched

from ssr_mmseg.utils.errors import UserError

EXAMPLES = {"configurations": 60, "results": 60, "progress and logs": 60}


@pytest.mark.parametrize("name", KINDS)
def test_only_documented_errors_are_raised(name, tmp_path):
    kind = KINDS[name]

    @settings(
        max_examples=EXAMPLES.get(name, 150),
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.documents)
    def check(document):
        kind.accepts(document, tmp_path / "place")

    check()
    assert kind.accepts(kind.valid, tmp_path / "place")
    assert not kind.accepts(kind.invalid, tmp_path / "place")


def _raise(error):
    def read(document, folder):
        raise error

    return read


def test_deliberate_faults_are_found(tmp_path):
    """A deliberate fault of each kind is reported as a finding."""

    def pickled(document, folder):
        pickle.loads(pickle.dumps(os.getcwd))

    def outside(document, folder):
        (folder.parent / "outside").write_text("")

    def program(document, folder):
        os.system("true")

    for read, finding in (
        (_raise(KeyError("x")), KeyError),
        (_raise(UserError("?")), AssertionError),
        (pickled, TouchedError),
        (outside, TouchedError),
        (program, TouchedError),
        (lambda document, folder: bytearray(2**33), MemoryError),
    ):
        with pytest.raises(finding):
            Kind(st.none(), read).accepts(None, tmp_path / "place")
    assert Kind(st.none(), lambda document, folder: (folder / "x").write_text("")).accepts(None, tmp_path / "place")
    assert not Kind(st.none(), _raise(UserError("a clear message"))).accepts(None, tmp_path / "place")


def test_a_document_that_takes_too_long_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr("watch.CPU_SECONDS", 0.05)
    with pytest.raises(TooLongError), watched(tmp_path):
        for _ in itertools.count():  # signal handlers run only between Python instructions
            pass
