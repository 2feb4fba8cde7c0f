"""`ssr_mmseg.load` of exported files of any content, which changes nothing else in the process."""

import os
import subprocess
import sys

import numpy as np
import pytest
from onnx import helper
from onnx_files import SIZE, added, brightest_channel, metadata, model
from patience import PATIENCE

import ssr_mmseg
from ssr_mmseg.settings.paths import PROJECT


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(model(brightest_channel()).SerializeToString())
    return path


def test_a_file_is_loaded_and_predicts(path):
    net = ssr_mmseg.load(path)
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 1] = 255
    assert (net.classes, net.size) == (["c0", "c1", "c2"], SIZE)
    assert (net.predict(image) == 1).all()


def test_what_is_refused_is_one_line(path):
    for nodes, about, message in (
        ([helper.make_node("Loop", ["images"], ["x"]), *brightest_channel()], None, "has the operator 'Loop'"),
        (brightest_channel(), metadata(classes=2, network="\x1b[2J"), r"the name '\x1b[2J', expected at most"),
        (brightest_channel(), metadata(size=(4096, 8192)), "a size that no network takes"),
    ):
        path.write_bytes(model(nodes, about=about).SerializeToString())
        with pytest.raises(ssr_mmseg.UserError) as caught:
            ssr_mmseg.load(path)
        assert message in str(caught.value)
        assert str(caught.value).isprintable()
    os.remove(path)
    os.mkfifo(path)
    with pytest.raises(ssr_mmseg.UserError, match=r"net\.onnx not found"):
        ssr_mmseg.load(path)


def test_a_file_that_cannot_run_is_not_profiled(path):
    wrong = [helper.make_node("Gather", ["images", "index"], ["value"]), *added("value")]
    path.write_bytes(model(wrong, {"index": np.array([99])}).SerializeToString())
    with pytest.raises(ssr_mmseg.UserError, match=r"net\.onnx cannot run on an image"):
        ssr_mmseg.load(path).profile(min_runs=1, min_seconds=0, warmup_seconds=0)


def test_loading_and_predicting_changes_no_settings_of_the_process(path, tmp_path):
    program = f"""
import os, resource, cv2, numpy as np, ssr_mmseg
def settings():
    return dict(os.environ), resource.getrlimit(resource.RLIMIT_DATA), cv2.utils.logging.getLogLevel()
before = settings()
ssr_mmseg.load({str(path)!r}).predict(np.zeros((8, 8, 3), np.uint8))
assert settings() == before
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
