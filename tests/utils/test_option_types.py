"""Types of the command line's options."""

import argparse
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.utils import option_types


def converted(convert, text):
    """Return the converted text, or None if it is refused in one line."""
    try:
        return convert(text)
    except argparse.ArgumentTypeError as error:
        message = str(error)
    assert message.startswith("expected ")
    assert len(message) < 500
    return None


@given(st.text() | st.integers().map(str) | st.from_regex(r"[-+ ]?\d{1,4}[_ .e]?\d*", fullmatch=True))
def test_a_number_is_in_range_and_written_in_ascii_digits(text):
    number = converted(option_types.whole_number(2, 300), text)
    assert number is None or (2 <= number <= 300 and text.isascii() and text.isdigit())


@given(st.integers(0, 10**6))
def test_every_number_in_range_is_accepted(number):
    assert converted(option_types.seed, str(number)) == number


@given(st.text() | st.floats().map(str) | st.from_regex(r"-?\d{0,3}\.?\d{0,9}", fullmatch=True))
def test_a_share_is_from_0_to_1(text):
    share = converted(option_types.share, text)
    assert share is None or (0 <= share <= 1 and text.isascii())


@pytest.mark.parametrize("text", ["0", "1", "0.5", ".25", "1.0", "0.0"])
def test_usual_shares_are_accepted(text):
    assert converted(option_types.share, text) == float(text)


@given(st.integers(-9, 10**6), st.integers(-9, 10**6))
def test_a_size_has_bounded_sides_and_pixels(height, width):
    size = converted(option_types.image_size, f"{height}x{width}")
    fits = 1 <= height <= 8192 and 1 <= width <= 8192 and height * width <= 2**24
    assert size == ((height, width) if fits else None)


@pytest.mark.parametrize("name", ["streets@8ms", "streets/single_path", "ablation/ssr-shrink-joint", "random_2", "a.b"])
def test_names_of_scenarios_and_networks_are_accepted(name):
    assert converted(option_types.name, name) == name


@pytest.mark.parametrize("text", ["", "a\0", "..", "a/../b", "x" * 501, "\u0663", "a b", "\n", "a\n"])
def test_other_names_are_refused(text):
    assert converted(option_types.name, text) is None


@pytest.mark.parametrize("convert", [option_types.source_path, option_types.target_path, option_types.target_file])
@pytest.mark.parametrize(
    "text", ["", "a\0", "\ud800", "x" * 5000, "x" * 300, "/dev/zero", "/dev/null/x", "pipe", "link"]
)
def test_no_path_of_a_device_or_a_pipe(tmp_path, monkeypatch, convert, text):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("/dev/null", "link")
    assert converted(convert, text) is None


def test_files_and_missing_paths_are_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for text in ("file", "missing/file", "a b", "\u540d", os.fsdecode(b"\xff")):
        for convert in (option_types.source_path, option_types.target_path, option_types.target_file):
            assert str(converted(convert, text)) == text
    assert converted(option_types.target_file, ".") is None


def test_the_pipe_of_a_shell_can_be_read():
    reading, writing = os.pipe()
    try:
        assert converted(option_types.source_path, f"/dev/fd/{reading}") is not None
        assert converted(option_types.target_path, f"/dev/fd/{writing}") is None
    finally:
        os.close(reading)
        os.close(writing)
