"""Cameras and streams: fake captures, and real servers on this machine. No camera has been tried."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import cv2
import numpy as np
import pytest
from onnx_files import brightest_channel, model
from patience import PATIENCE
from stream_servers import motion_jpeg, rtsp, stream_server

from ssr_mmseg.cli import main
from ssr_mmseg.deploy import live
from ssr_mmseg.deploy.live import LiveVideo
from ssr_mmseg.deploy.videos import MeasuredRate, Video
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.live_input import LiveInput

SIZE = (48, 64)
CAMERA = LiveInput(0)


class Capture:
    """A camera that gives a number of frames, whose colors are their number, and then something else."""

    def __init__(self, count=None, opened=True, stall=None, sizes=(SIZE,), pause=0.001):
        self.count, self.opened, self.stall, self.sizes, self.pause = count, opened, stall, sizes, pause
        self.read_frames, self.released = 0, threading.Event()

    def __call__(self, address):
        assert address == CAMERA.address
        return self

    def isOpened(self):  # noqa: N802  OpenCV's name
        return self.opened

    def read(self):
        time.sleep(self.pause)
        if self.read_frames == self.count:
            if self.stall is not None:
                self.stall.wait(PATIENCE)
            return False, None
        self.read_frames += 1
        size = self.sizes[min(self.read_frames, len(self.sizes)) - 1]
        return True, np.full((*size, 3), (self.read_frames % 256, self.read_frames // 256 % 256, 0), np.uint8)

    def release(self):
        self.released.set()


def never() -> bool:
    return False


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.5)


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(model(brightest_channel()).SerializeToString())
    return path


def test_the_newest_frame_is_taken_and_the_others_are_left_out():
    capture = Capture()
    with LiveVideo(CAMERA, capture) as video:
        frames = video.frames(never)
        seen = []
        for _ in range(4):
            blue, green, _ = map(int, next(frames)[0, 0])
            seen.append(blue + 256 * green)
            time.sleep(0.1)  # slower than the camera
    assert all(later - earlier > 5 for earlier, later in itertools.pairwise(seen))
    assert capture.released.wait(PATIENCE)


def test_a_camera_that_cannot_be_opened_or_gives_nothing_is_one_line(impatient):
    with LiveVideo(CAMERA, Capture(opened=False)) as video, pytest.raises(UserError, match="camera 0 cannot be opened"):
        next(video.frames(never))
    hang = threading.Event()
    with LiveVideo(CAMERA, Capture(0, stall=hang)) as video:
        begin = time.monotonic()
        with pytest.raises(UserError, match=r"camera 0 gave no frame for 0\.5 seconds; check its connection"):
            next(video.frames(never))
        assert time.monotonic() - begin < 5
        hang.set()


def test_a_stall_or_an_end_after_some_frames_is_distinguished(impatient):
    hang = threading.Event()
    with LiveVideo(CAMERA, Capture(3, stall=hang)) as video:
        assert list(video.frames(never))
        assert video.problem == "camera 0 gave no frame for 0.5 seconds; check its connection"
        hang.set()
    with LiveVideo(CAMERA, Capture(3)) as video:
        assert list(video.frames(never))
        assert video.problem == "camera 0 gives no more frames; check its connection"


def test_frames_have_three_channels_and_the_size_of_the_first(monkeypatch):
    with LiveVideo(CAMERA, Capture(sizes=(SIZE, (20, 30)), pause=0.02)) as video:
        frames = video.frames(never)
        assert [next(frames).shape for _ in range(4)] == [(*SIZE, 3)] * 4
    gray = Capture()
    gray.read = lambda: (True, np.full(SIZE, 7, np.uint8))
    with LiveVideo(CAMERA, gray) as video:
        np.testing.assert_array_equal(next(video.frames(never)), np.full((*SIZE, 3), 7))
    monkeypatch.setattr("ssr_mmseg.utils.image_limits.MAX_PIXELS", 1000)
    with LiveVideo(CAMERA, Capture()) as video, pytest.raises(UserError, match="camera 0 has 64x48 pixels; at most"):
        next(video.frames(never))


def test_frames_end_with_the_time_or_the_user():
    begin = time.monotonic()
    with LiveVideo(CAMERA, Capture(pause=0.01)) as video:
        count = sum(1 for _ in video.frames(never, seconds=0.3))
    assert 0.3 <= time.monotonic() - begin < 10
    assert 2 < count < 100
    calls = iter([False] * 3 + [True] * 100)
    with LiveVideo(CAMERA, Capture(0, stall=threading.Event(), pause=0)) as video:
        assert list(video.frames(lambda: next(calls))) == []


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([], 25.0),
        ([1.0], 25.0),
        ([1.0, 1.1], 10.0),
        ([0.0, 5.0, 5.1, 5.2], 10.0),  # the first frame waited for the network
        ([3.0, 3.0, 3.0], 25.0),
        ([0.0, *(1 + number / 29.97 for number in range(12))], 29.97),
        ([0.0, *(1 + number / 5000 for number in range(12))], 1000.0),
        ([0.0, 1.0, 201.0], 0.01),
    ],
)
def test_the_rate_is_that_of_the_first_frames(tmp_path, times, rate):
    clock = iter(times)
    path = tmp_path / "out.mp4"
    with MeasuredRate(path, path, lambda: next(clock)) as writer:
        for _ in times:
            writer.write(np.zeros((*SIZE, 3), np.uint8))
    assert path.exists() == bool(times)
    if times:
        with Video(path) as video:
            assert video.fps == pytest.approx(rate, rel=1e-3)
            assert len(list(video.frames())) == len(times)


@pytest.mark.parametrize("rate", [1 / 7, 14.985, 119.88, 239.76, 599.994, 600.01, 977.7])
def test_any_rate_can_be_written(tmp_path, rate):
    path, clock = tmp_path / "out.mp4", iter(range(100))
    with MeasuredRate(path, path, lambda: next(clock) / rate) as writer:
        for _ in range(12):
            writer.write(np.zeros((*SIZE, 3), np.uint8))
    with Video(path) as video:
        assert video.fps == pytest.approx(rate, rel=0.01)


def test_a_failure_leaves_no_video(tmp_path):
    path = tmp_path / "out.mp4"
    with suppress(UserError), MeasuredRate(path, path) as writer:
        writer.write(np.zeros((*SIZE, 3), np.uint8))
        raise UserError("a failure")
    assert not path.exists()


def frames_of(path) -> int:
    with Video(path) as video:
        return len(list(video.frames()))


def test_a_camera_becomes_a_video_of_as_many_frames_as_asked_for(network, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "open_capture", Capture(pause=0.01))
    assert main(["predict", "net.onnx", "0", "--out", "out", "--frames", "15", "--masks", "--legend"]) == 0
    printed = capfd.readouterr()
    assert frames_of(tmp_path / "out/camera0.mp4") == 15
    assert len(list((tmp_path / "out/camera0_mask").iterdir())) == 15
    assert re.fullmatch(r"out: 15 frames, .* FPS\n", printed.out)
    assert printed.err.splitlines()[-1] == "15 of 15 frames, camera 0"


def test_what_came_before_a_failure_is_kept(network, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "open_capture", Capture(20, pause=0.02))
    assert main(["predict", "net.onnx", "0", "--out", "out"]) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    count = re.fullmatch(
        r"ssr-mmseg: camera 0 gives no more frames; check its connection; the (\d+) frames before are in "
        "out/camera0.mp4",
        line,
    )[1]
    assert frames_of(tmp_path / "out/camera0.mp4") == int(count)
    monkeypatch.setattr(live, "open_capture", Capture(opened=False))
    assert main(["predict", "net.onnx", "0", "--out", "other"]) == 2
    assert not (tmp_path / "other").exists()


def test_an_input_without_an_end_must_be_the_last(network, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("one.png", np.zeros((*SIZE, 3), np.uint8))
    assert main(["predict", "net.onnx", "0", "one.png", "--out", "out"]) == 2
    assert "camera 0 has no end; set --frames or --seconds, or make it the last" in capfd.readouterr().err
    monkeypatch.setattr(live, "open_capture", Capture())
    assert main(["predict", "net.onnx", "0", "one.png", "--out", "out", "--frames", "1"]) == 0
    assert sorted(os.listdir("out")) == ["camera0.mp4", "one.png"]


@pytest.mark.parametrize(("kind", "scheme"), [(motion_jpeg, "http"), (rtsp, "rtsp")])
def test_streams_are_read(kind, scheme, monkeypatch):
    with stream_server(kind(SIZE)) as (port, _):
        source = LiveInput(f"{scheme}://user:secret@127.0.0.1:{port}/live")
        with LiveVideo(source) as video:
            frames = video.frames(never)
            assert [next(frames).shape for _ in range(5)] == [(*SIZE, 3)] * 5
    with stream_server(kind(SIZE, 5)) as (port, _), LiveVideo(LiveInput(f"{scheme}://127.0.0.1:{port}/")) as video:
        assert 1 <= len(list(video.frames(never))) <= 5
        assert video.problem is None  # a stream may end
    monkeypatch.setattr(live, "PATIENCE", 2.0)
    with stream_server(kind(SIZE, 100, True)) as (port, _):
        address = f"{scheme}://127.0.0.1:{port}/live"
        with LiveVideo(LiveInput(address)) as video:
            assert len(list(video.frames(never))) > 1
            assert video.problem == f"stream {address} gave no frame for 2 seconds; check its connection"


@pytest.mark.parametrize("scheme", ["http", "rtsp", "https", "rtsps"])
def test_a_server_that_is_silent_or_absent_is_one_line(scheme, impatient):
    def silent(connection, _):
        connection.recv(1)

    with stream_server(silent) as (port, _):
        source = LiveInput(f"{scheme}://127.0.0.1:{port}/live")
        with LiveVideo(source) as video, pytest.raises(UserError, match=r"live gave no frame for 0\.5 seconds"):
            next(video.frames(never))
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    source = LiveInput(f"{scheme}://u:p@127.0.0.1:{port}/live")
    message = rf"stream {scheme}://127\.0\.0\.1:{port}/live cannot be opened; check its address"
    with LiveVideo(source) as video, pytest.raises(UserError, match=message):
        next(video.frames(never))


def answer(head: str, body: bytes = b""):
    def serve(connection, _):
        connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return serve


def test_what_a_web_server_answers_opens_nothing_else():
    with stream_server(motion_jpeg(SIZE)) as (secret, reached):
        address = f"http://127.0.0.1:{secret}/a"
        bodies = {
            "audio/mpegurl": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}.ts\n#EXT-X-ENDLIST\n",
            "text/plain": f"ffconcat version 1.0\nfile {address}.ts\n",
            "application/sdp": f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=video {secret} RTP/AVP 26\r\n",
            "application/dash+xml": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{address}</BaseURL></MPD>',
        }
        answers = [answer(f"200 OK\r\nContent-Type: {kind}", body.encode()) for kind, body in bodies.items()]
        answers += [answer(f"302 Found\r\nLocation: {target}") for target in (address, "file:///etc/passwd")]
        for serve in answers:
            with stream_server(serve) as (port, requests):
                video = LiveVideo(LiveInput(f"http://127.0.0.1:{port}/list"))
                with video, pytest.raises(UserError, match="cannot be opened"):
                    next(video.frames(never))
                assert requests
        assert reached == []


def test_only_the_command_line_opens_addresses(network, tmp_path, capfd):
    """A file of the name of an address, or that holds one, stays a file."""
    with stream_server(motion_jpeg(SIZE)) as (port, reached):
        link = tmp_path / "cam.mp4"
        link.write_text(f"http://127.0.0.1:{port}/a")
        assert main(["predict", str(network), str(link), "--out", str(tmp_path / "out")]) == 2
        odd = tmp_path / "http:" / f"127.0.0.1:{port}"
        odd.mkdir(parents=True)
        (odd / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
        assert main(["predict", str(network), str(tmp_path / "http:" / f"127.0.0.1:{port}"), "--out", "out"]) == 2
        assert reached == []
    assert "cannot be read as a video" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_video(number, network, tmp_path):
    command = [sys.executable, "-m", "ssr_mmseg", "predict", str(network)]
    with stream_server(rtsp(SIZE)) as (port, _):
        process = subprocess.Popen(
            [*command, f"rtsp://u:secret@127.0.0.1:{port}/live", "--out", "out"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # the tests' own process may ignore it
        )
        line = process.stderr.readline()  # after a hundred frames
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert line == f"100 frames, stream rtsp://127.0.0.1:{port}/live\n"
    count = int(re.fullmatch(r"out: (\d+) frames, .* FPS\n", out)[1])
    assert count >= 100
    (name,) = os.listdir(tmp_path / "out")
    assert name == "127.0.0.1_live.mp4"
    assert frames_of(tmp_path / "out" / name) == count


def test_signals_have_their_usual_effect_afterwards_and_the_second_time():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with live.until_interrupted() as stopped:
            assert not stopped()
            signal.raise_signal(signal.SIGINT)
            assert stopped()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with live.until_interrupted() as stopped:
            signal.raise_signal(signal.SIGINT)
            assert not stopped()
    finally:
        signal.signal(signal.SIGINT, before)
    results = []

    def elsewhere():
        with live.until_interrupted() as stopped:
            results.append(stopped())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert results == [False]
