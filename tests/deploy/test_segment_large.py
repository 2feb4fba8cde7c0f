"""Large images by ONNX graphs of fixed size. Weights are integers, so that sums in any order are exact."""

import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from patience import PATIENCE
from torch import Tensor

from ssr_mmseg.deploy.onnx_export import LOGITS, to_labels
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.sliding_window import segment_large
from ssr_mmseg.evaluation.sliding_window import segment_by_windows
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

WINDOW = (24, 32)
CLASSES = 5
MEAN = (10.0, 20.0, 30.0)
LARGE = [(24, 32), (48, 64), (61, 75), (25, 32), (24, 90)]
SMALL = [(20, 32), (24, 17), (11, 90), (5, 5)]


def convolution(kernel: int) -> np.ndarray:
    return np.random.default_rng(kernel).integers(-9, 10, (CLASSES, 3, kernel, kernel)).astype(np.float32)


def network(folder: Path, head: str, kernel: int, batch: int = 1) -> ExportedNetwork:
    """A graph of one convolution, of fixed size and batch."""
    weight = numpy_helper.from_array(convolution(kernel), "weight")
    node = helper.make_node("Conv", ["images", "weight"], [LOGITS], pads=[kernel // 2] * 4)
    shapes = (batch, 3, *WINDOW), (batch, CLASSES, *WINDOW)
    images, logits = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("images", LOGITS), shapes, strict=True)
    )
    graph = helper.make_graph([node], "net", [images], [logits], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if head == "labels":
        to_labels(model)
    names, palette = tuple("abcde"), ((0, 0, 0),) * CLASSES
    metadata = OnnxMetadata("net", head, WINDOW, names, palette, MEAN, (1.0, 1.0, 1.0), {})
    helper.set_model_props(model, {KEY: metadata.to_json()})
    onnx.save(model, folder / "net.onnx")
    return ExportedNetwork(folder / "net.onnx", threads=1)


def picture(size: tuple[int, int]) -> np.ndarray:
    """A random image (H, W, 3), BGR, uint8."""
    return np.random.default_rng(size).integers(0, 256, (*size, 3), dtype=np.uint8)


def normalized(image: np.ndarray) -> Tensor:
    """The network's input (3, H, W) for an image, padded with zeros to one window at least."""
    values = torch.from_numpy(image[:, :, ::-1].astype(np.float32) - np.array(MEAN, np.float32)).permute(2, 0, 1)
    return F.pad(values, (0, max(WINDOW[1] - values.shape[2], 0), 0, max(WINDOW[0] - values.shape[1], 0)))


def whole(images: Tensor, kernel: int) -> Tensor:
    """Logits (N, classes, H, W) of whole images (N, 3, H, W)."""
    return F.conv2d(images, torch.from_numpy(convolution(kernel)), padding=kernel // 2)


def whole_labels(image: np.ndarray, kernel: int) -> np.ndarray:
    height, width = image.shape[:2]
    return whole(normalized(image)[None], kernel)[0].argmax(dim=0).numpy()[:height, :width]


@pytest.mark.parametrize("size", [*LARGE, *SMALL], ids=str)
@pytest.mark.parametrize("head", ["labels", "logits"])
@pytest.mark.parametrize("overlap", [0, 7, 23])
def test_windows_leave_no_seams_where_logits_depend_on_the_pixel_alone(size, head, overlap, tmp_path):
    image = picture(size)
    labels = segment_large(network(tmp_path, head, 1), image, overlap)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, whole_labels(image, 1))
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize("size", [*LARGE, *SMALL], ids=str)
@pytest.mark.parametrize("overlap", [6, 7, 16, 23])
def test_labels_are_those_of_the_whole_image_if_half_the_overlap_covers_the_surroundings(size, overlap, tmp_path):
    image = picture(size)
    labels = segment_large(network(tmp_path, "labels", 7), image, overlap)
    np.testing.assert_array_equal(labels, whole_labels(image, 7))


def test_a_smaller_overlap_shows_seams(tmp_path):
    """So that the test above can fail: the windows' own borders reach the pixels at the seams."""
    image = picture((61, 75))
    wrong = segment_large(network(tmp_path, "labels", 7), image, 4) != whole_labels(image, 7)
    rows, columns = np.nonzero(wrong)
    assert 0 < len(rows) < wrong.size / 10
    seams = {*range(20, 24), *range(36, 42)}, {*range(28, 32), *range(42, 62)}  # within 3 pixels of an edge
    assert all(row in seams[0] or column in seams[1] for row, column in zip(rows, columns, strict=True))


@pytest.mark.parametrize("size", [*LARGE, *SMALL], ids=str)
@pytest.mark.parametrize("overlap", [0, 4, 15])
def test_averaged_logits_give_the_labels_of_the_torch_segmentor(size, overlap, tmp_path):
    image = picture(size)
    images = normalized(image)
    expected = segment_by_windows(lambda x: whole(x, 7), images, WINDOW, overlap, CLASSES)
    labels = segment_large(network(tmp_path, "logits", 7), image, overlap)
    np.testing.assert_array_equal(labels, expected.numpy()[: size[0], : size[1]])


@pytest.mark.parametrize("head", ["labels", "logits"])
def test_a_graph_of_several_images_per_run(head, tmp_path):
    image = picture((61, 75))
    labels = segment_large(network(tmp_path, head, 1, batch=3), image, 8)
    np.testing.assert_array_equal(labels, whole_labels(image, 1))


@pytest.mark.parametrize("head", ["labels", "logits"])
@pytest.mark.parametrize("overlap", [-1, 24])
def test_an_overlap_that_does_not_fit_the_input_is_refused(head, overlap, tmp_path):
    with pytest.raises(ValueError, match=f"expected an overlap of 0 to 23, less than the window, found {overlap}"):
        segment_large(network(tmp_path, head, 1), picture((61, 75)), overlap)


def without_graph(head: str, classes: int, window: tuple[int, int]) -> Any:
    """A network of which only the graph is missing."""
    stand_in: Any = object.__new__(ExportedNetwork)
    stand_in.batch = 1
    stand_in.metadata = SimpleNamespace(head=head, size=window, mean=MEAN, std=MEAN, classes=["a"] * classes)
    return stand_in


@pytest.mark.parametrize("head", ["labels", "logits"])
@pytest.mark.parametrize(("window", "overlap"), [((1, 1), 0), ((8, 8), 7), ((64, 2), 1)])
def test_an_image_of_too_many_windows_is_refused(head, window, overlap):
    image = np.broadcast_to(np.uint8(0), (8000, 8000, 3))
    with pytest.raises(UserError, match=r"an image of 8000x8000 pixels and windows of .* take \d+ windows"):
        segment_large(without_graph(head, 5, window), image, overlap)


def test_a_row_of_windows_with_too_many_logits_is_refused():
    image = np.broadcast_to(np.uint8(0), (61, 2**20, 3))
    with pytest.raises(UserError, match=r"take 10200547328 logits at once, expected at most .*--head labels"):
        segment_large(without_graph("logits", 19, (512, 1024)), image, 256)


@pytest.mark.parametrize("head", ["labels", "logits"])
def test_memory_grows_with_the_height_by_the_labels_alone(head):
    classes, window = 20, (100, 100)
    stand_in = without_graph(head, classes, window)
    answer = np.zeros(window, np.uint8) if head == "labels" else np.zeros((classes, *window), np.float32)
    stand_in.run = lambda _: answer

    def peak(height: int) -> int:
        image = np.zeros((height, 400, 3), np.uint8)
        tracemalloc.start()
        segment_large(stand_in, image, 20)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    low, high = peak(400), peak(4000)
    assert low < 5e6  # the band: 20 · 100 · 400 · 4 B = 3.2 MB
    assert abs(high - low - 3600 * 400) < 2e5  # the labels; the logits of the whole image would take 115 MB more


def test_importing_it_does_not_import_torch_or_mmseg():
    code = "import sys, ssr_mmseg.deploy.sliding_window; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "torchvision", "mmseg", "mmengine", "mmcv"} & set(done.stdout.split())
