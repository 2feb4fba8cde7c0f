"""Cameras and streams on the command line; whatever else is a file."""

import argparse
from pathlib import Path

import pytest

from ssr_mmseg.utils.live_input import LiveInput, parse_live_input
from ssr_mmseg.utils.option_types import media, seconds


@pytest.mark.parametrize(
    ("text", "address", "stem", "title"),
    [
        ("0", 0, "camera0", "camera 0"),
        ("12", 12, "camera12", "camera 12"),
        ("rtsp://h/live", "rtsp://h/live", "h_live", "stream rtsp://h/live"),
        ("RTSP://h", "rtsp://h", "h", "stream rtsp://h"),
        ("rtsps://u:p@h:322/a/b?token=t", "rtsps://u:p@h:322/a/b?token=t", "h_a_b", "stream rtsps://h:322/a/b"),
        ("http://[::1]:80/v.mjpg", "http://[::1]:80/v.mjpg", "1_v.mjpg", "stream http://[::1]:80/v.mjpg"),
        ("https://h/%2e%2e/%00", "https://h/%2e%2e/%00", "h_2e_2e_00", "stream https://h/%2e%2e/%00"),
    ],
)
def test_cameras_and_streams(text, address, stem, title):
    live = media(text)
    assert live == LiveInput(address)
    assert (live.stem, live.title) == (stem, title)
    assert "p@" not in live.title + live.stem
    assert "token" not in live.title + live.stem


@pytest.mark.parametrize("text", ["a.png", "100", "-1", "٣", "file:///etc/passwd", "ftp://h/a.mp4", "rtsp:a.mp4", "x0"])
def test_everything_else_is_a_path(text):
    assert media(text) == Path(text)


def test_a_folder_that_is_named_like_a_camera_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert media("0") == Path("0")
    assert media("1") == LiveInput(1)


@pytest.mark.parametrize(
    "text", ["rtsp://", "rtsp:///a", "rtsp://h:x/", "rtsp://h:99999/", "rtsp://h/ä", "rtsp://h/a b", "http://[::1/"]
)
def test_broken_addresses_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"for a stream by rtsp, rtsps, http, https .*correct the"):
        media(text)


def test_long_addresses_are_refused():
    with pytest.raises(ValueError, match="1 to 2000 characters"):
        parse_live_input("rtsp://h/" + "x" * 2000)


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("0.5", 0.5), (".25", 0.25), ("31536000", 31536000.0)])
def test_seconds(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1e3", "nan", "inf", "31536001", "", "1s", "٣"])
def test_other_seconds_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a positive number of seconds"):
        seconds(text)
