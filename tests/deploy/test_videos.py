"""Video files open nothing but themselves, whatever they are named and whatever they say."""

import os
import socket
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from avi_files import avi, jpeg

from ssr_mmseg.deploy import videos
from ssr_mmseg.deploy.videos import Video, video_writer
from ssr_mmseg.utils.errors import UserError

SIZE = (48, 64)
FRAMES = [jpeg(*SIZE)] * 3


@pytest.fixture
def film(tmp_path) -> Path:
    path = tmp_path / "film.avi"
    path.write_bytes(avi(FRAMES, SIZE))
    return path


@pytest.fixture
def server():
    """The port of a server, and the connections that it accepted."""
    accepted: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.5)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # it was closed, or nobody came
                    return
                accepted.append(connection.recv(1000))
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1], accepted
        thread.join()


def playlists(port: int) -> dict[str, str]:
    """Texts that FFmpeg takes for videos, and that name another file or an address."""
    address = f"http://127.0.0.1:{port}"
    return {
        "list.mp4": "ffconcat version 1.0\nfile film.avi\n",
        "far.mp4": f"ffconcat version 1.0\nfile {address}/a.ts\n",
        "hls.m4v": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}/a.ts\n#EXT-X-ENDLIST\n",
        "call.mov": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
        "dash.mp4": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{address}</BaseURL></MPD>',
    }


@pytest.mark.parametrize("known", [False, True])
def test_a_playlist_is_no_video(film, server, monkeypatch, known):
    """Also where its first bytes were taken for those of a container, since FFmpeg has a list of allowed ones."""
    port, accepted = server
    if known:
        monkeypatch.setattr(videos, "_is_container", lambda path: True)
    for name, text in playlists(port).items():
        (film.parent / name).write_text(text)
        with pytest.raises(UserError, match=f"{name} (is not an MP4|cannot be read as a video)"):
            Video(film.parent / name)
    assert not accepted


def test_opencv_alone_would_follow_a_playlist(film, monkeypatch):
    """So that the test above can fail."""
    monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", raising=False)
    monkeypatch.chdir(film.parent)
    Path("list.mp4").write_text(playlists(1)["list.mp4"])
    source = cv2.VideoCapture("list.mp4")
    assert source.isOpened()
    assert source.get(cv2.CAP_PROP_FRAME_WIDTH) == SIZE[1]
    source.release()


def test_a_name_is_no_address(film, server, monkeypatch):
    port, accepted = server
    monkeypatch.chdir(film.parent)
    name = f"subfile,,start,0,end,0,,:film{port}.avi"  # a protocol of FFmpeg's
    film.rename(name)
    with Video(Path(name)) as video:
        assert len(list(video.frames())) == 3
    assert not accepted


def test_only_known_containers_are_opened(film):
    for start in (b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"\x00\x00\x01\xba" + bytes(50), b"OggS" + bytes(50), bytes(20)):
        film.write_bytes(start)
        with pytest.raises(UserError, match=r"film\.avi is not an MP4, MOV, AVI, MKV or WebM video"):
            Video(film)
    for start in (b"\0\0\0\x18ftypisom", b"\0\0\0\x08wide", b"RIFF\0\0\0\0AVI ", b"\x1aE\xdf\xa3"):
        film.write_bytes(start + bytes(100))
        with pytest.raises(UserError, match=r"film\.avi cannot be read as a video; it may be damaged"):
            Video(film)


@pytest.mark.parametrize(("name", "code"), [("a.mp4", "mp4v"), ("a.mov", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_the_known_containers_are_read(name, code, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / name), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 10, SIZE[::-1])
    for _ in range(3):
        writer.write(np.full((*SIZE, 3), 100, np.uint8))
    writer.release()
    with Video(tmp_path / name) as video:
        assert (video.fps, video.count) == (10, 3)
        assert [frame.shape for frame in video.frames()] == [(*SIZE, 3)] * 3


@pytest.mark.parametrize(
    ("rate", "scale", "expected"),
    [(25, 1, 25.0), (30_000, 1001, 30_000 / 1001), (1, 2, 0.5), (2**31 - 1, 1, 25.0), (1, 2**31 - 1, 25.0)],
)
def test_only_plausible_rates_are_used(film, rate, scale, expected):
    film.write_bytes(avi(FRAMES, SIZE, rate, scale))
    with Video(film) as video:
        assert video.fps == pytest.approx(expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300, -(2.0**63), 0.0])
def test_any_number_in_a_header_gives_a_rate_and_a_count(film, value):
    class Odd:
        def get(self, name):
            return value

        def release(self):
            pass

    with Video(film) as video:
        video.source.release()
        video.source = Odd()
        assert video.fps == 25.0
        assert 1 <= video.count <= film.stat().st_size


def test_a_count_is_at_most_that_of_the_bytes(film):
    film.write_bytes(avi(FRAMES, SIZE, count=2**32 - 1))
    with Video(film) as video:
        assert video.count == film.stat().st_size


def test_all_frames_have_one_size(film):
    film.write_bytes(avi([jpeg(48, 64, 10), jpeg(96, 128, 200), jpeg(24, 32, 90)], SIZE))
    with Video(film) as video:
        frames = list(video.frames())
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert [round(float(frame.mean()), -1) for frame in frames] == [10, 200, 90]


def test_large_frames_are_refused(film, monkeypatch):
    monkeypatch.setattr("ssr_mmseg.utils.image_limits.MAX_PIXELS", 5000)
    film.write_bytes(avi([jpeg(96, 128)], (96, 128)))
    with pytest.raises(UserError, match=r"film\.avi has 128x96 pixels; at most 5000 are allowed"):
        Video(film)


def test_a_video_without_frames_is_refused(film):
    film.write_bytes(avi([], SIZE))
    with Video(film) as video, pytest.raises(UserError, match=r"film\.avi is a video without a readable frame"):
        list(video.frames())


def test_a_name_that_opencv_cannot_take_is_refused(film):
    odd = film.with_name(os.fsdecode(b"\xff.avi"))
    film.rename(odd)
    with pytest.raises(UserError, match="is not UTF-8, which OpenCV expects; rename it"):
        Video(odd)


def test_a_size_that_cannot_be_written_is_one_line(tmp_path):
    target = tmp_path / "out.mp4"
    with (
        pytest.raises(UserError, match=r"could not write .*out\.mp4: OpenCV failed for frames of 20000x16"),
        video_writer(target, target, 10.0, (16, 20_000)),
    ):
        pass
