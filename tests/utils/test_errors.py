import string

from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.utils.errors import one_line


@given(st.text())
def test_a_message_is_one_printable_line(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1


@given(st.text(string.ascii_letters + "äöü×, "))
def test_printable_words_are_unchanged(text):
    assert one_line(text).split() == text.split()


def test_escape_sequences_are_escaped_and_length_is_limited():
    assert one_line("\x1b[2Jgone\nnext\u202e") == r"\x1b[2Jgone next\u202e"
    assert len(one_line("x" * 10**6)) < 2100
