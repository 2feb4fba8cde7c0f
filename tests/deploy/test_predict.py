"""`predict` on real files, in a process that cannot import torch or mmseg."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from deployed_networks import decide, randomise, small_genotype
from patience import PATIENCE

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.datasets.streets.renderer import render_scene
from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.export import ExportOptions
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.predict import Progress
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.export import derived_segmentor, export_pair
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.utils.errors import UserError

CONFIG = settings.read_config(PROJECT / settings.DEFAULTS)
SIZE = (48, 96)
ALONE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "mmseg", "mmcv", "mmengine", "onnx", "PIL"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from ssr_mmseg.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def segmentor():
    network = derived_segmentor(CONFIG, small_genotype(), 5).eval()
    randomise(network, 2)
    decide(network.decode_head.conv_seg, torch.cat([segmentor_logits(network, scene(index)) for index in range(4)]))
    return network


@pytest.fixture(scope="module", params=["labels", "logits"])
def model(request, segmentor, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    small_genotype().write(folder / "net.json")
    save_state(folder / "weights.pth", {"model": segmentor.state_dict()})
    form = ExportOptions(request.param, SIZE)
    export_pair(CONFIG, folder / "net.json", folder / "weights.pth", folder / "net.onnx", form)
    return folder / "net.onnx"


def scene(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A rendered frame (H, W, 3), BGR, uint8."""
    image = render_scene(5, index, SIZE)[0][:, :, ::-1]
    return cv2.resize(image, size[::-1]) if size != SIZE else np.ascontiguousarray(image)


@torch.inference_mode()
def segmentor_logits(segmentor, image: np.ndarray) -> torch.Tensor:
    """What the segmentor itself says of an image (H, W, 3), BGR, of its input size: (1, classes, H, W)."""
    images = segmentor.data_preprocessor({"inputs": [torch.from_numpy(image).permute(2, 0, 1)]}, False)["inputs"]
    return segmentor.encode_decode(images, [{"img_shape": image.shape[:2]}])


@pytest.fixture
def inputs(tmp_path) -> Path:
    """A folder of two images of different sizes, a video of three frames, and a file that is neither."""
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "one.png"), scene(0))
    cv2.imwrite(str(folder / "two.jpg"), scene(1, (61, 103)))
    (folder / "notes.txt").write_text("no image")
    writer = cv2.VideoWriter(str(folder / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (104, 64))
    for index in range(3):
        writer.write(scene(index, (64, 104)))
    writer.release()
    return folder


def test_real_frames_get_the_labels_of_the_torch_model(model, segmentor):
    network = ExportedNetwork(model)
    for index in range(4):
        image = scene(index)
        labels = network.labels(image)
        assert labels.dtype == np.uint8
        assert len(np.unique(labels)) > 1
        expected = segmentor_logits(segmentor, image).argmax(dim=1)[0].numpy()
        assert (labels == expected).mean() > 0.998


def test_images_folder_and_video_without_torch(model, inputs, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", ALONE, "predict", str(model), str(inputs), "--out", str(out), "--threads", "1"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "5 of 5 frames, two.jpg"  # plain lines: this is no terminal
    assert sorted(path.name for path in out.iterdir()) == ["drive.mp4", "one.png", "two.png"]
    network = ExportedNetwork(model)
    for name, source in (("one", "one.png"), ("two", "two.jpg")):
        image = cv2.imread(str(inputs / source))
        overlay = cv2.imread(str(out / f"{name}.png"))
        np.testing.assert_array_equal(overlay, network.overlay(image, network.labels(image), 0.5))
    video = cv2.VideoCapture(str(out / "drive.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (104, 64)
    assert video.get(cv2.CAP_PROP_FPS) == 10
    video.release()


def test_an_overlay_blends_the_colour_of_the_class(model):
    network = ExportedNetwork(model)
    image = np.full((2, 2, 3), 100, np.uint8)
    labels = np.array([[0, 1], [2, 3]], np.uint8)
    full = network.overlay(image, labels, 1.0)
    for row, column in np.ndindex(2, 2):
        assert tuple(full[row, column][::-1]) == network.package.palette[labels[row, column]]
    np.testing.assert_array_equal(network.overlay(image, labels, 0.0), image)


def png_header(height: int, width: int) -> bytes:
    """A PNG that promises so many pixels and has hardly any."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def fails(capfd, *arguments: object) -> str:
    assert main(["predict", *map(str, arguments)]) == 2
    # A decoder that a test before has woken may speak, too.
    lines = [line for line in capfd.readouterr().err.strip().splitlines() if not line.startswith("[mov,")]
    assert len(lines) == 1, lines
    return lines[0]


def test_mistakes_are_one_line_and_write_nothing(model, inputs, tmp_path, capfd):
    out = tmp_path / "out"
    to = ("--out", out)
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    huge = tmp_path / "huge.png"
    huge.write_bytes(png_header(60_000, 60_000))
    film = tmp_path / "film.mp4"
    film.write_bytes(b"no video")
    one = inputs / "one.png"
    assert "model none.onnx not found" in fails(capfd, "none.onnx", one, *to)
    assert "one.png is no ONNX model" in fails(capfd, one, one, *to)
    assert "input nowhere.png not found" in fails(capfd, model, "nowhere.png", *to)
    assert "notes.txt is neither image nor video" in fails(capfd, model, inputs / "notes.txt", *to)
    assert f"folder {empty} has no image or video" in fails(capfd, model, empty, *to)
    assert "broken.png is no image that can be read" in fails(capfd, model, broken, *to)
    assert "huge.png is larger than an image that OpenCV reads" in fails(capfd, model, huge, *to)
    assert "film.mp4 is no video that can be read" in fails(capfd, model, film, *to)
    assert "expected an opacity from 0 to 1, found 2.0" in fails(capfd, model, one, *to, "--opacity", "2")
    assert "expected at least 1 thread, or 0" in fails(capfd, model, one, *to, "--threads", "-1")
    assert "would be overwritten" in fails(capfd, model, one, "--out", inputs)
    cv2.imwrite(str(empty / "one.jpg"), scene(2))
    assert "would all be written to" in fails(capfd, model, one, empty, *to)
    assert "run: pip install onnxruntime-gpu" in fails(capfd, model, one, *to, "--provider", "cuda")
    assert not out.exists() or not list(out.iterdir())


def test_a_foreign_model_is_refused(tmp_path):
    graph = onnx_export.export(torch.nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 8, 8))
    onnx.save(graph, tmp_path / "foreign.onnx")
    with pytest.raises(
        UserError, match=r"foreign\.onnx has no metadata 'ssr_mmseg'.*make the file with: ssr-mmseg export"
    ):
        ExportedNetwork(tmp_path / "foreign.onnx")


def brightest(folder: Path, head: str = "labels", size: tuple[int, int] = SIZE, classes: int = 3) -> Path:
    """A file that says which channel is the largest, of one image of `SIZE`, with metadata that may say otherwise."""
    kinds = onnx.TensorProto
    nodes = [
        onnx.helper.make_node("ArgMax", ["images"], ["numbers"], axis=1, keepdims=0),
        onnx.helper.make_node("Cast", ["numbers"], ["labels"], to=kinds.UINT8),
    ]
    given = onnx.helper.make_tensor_value_info("images", kinds.FLOAT, [1, 3, *SIZE])
    made = onnx.helper.make_tensor_value_info("labels", kinds.UINT8, [1, *SIZE])
    opset = onnx.helper.make_opsetid("", onnx_export.OPSET)
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [given], [made]), opset_imports=[opset])
    model.ir_version = 10
    colours = ((1, 2, 3),) * classes
    package = OnnxMetadata("n", head, size, ("c",) * classes, colours, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), {})
    onnx.helper.set_model_props(model, {KEY: package.to_json()})
    onnx.save(model, folder / "brightest.onnx")
    return folder / "brightest.onnx"


def test_any_graph_with_our_metadata_is_run(tmp_path):
    image = np.zeros((10, 20, 3), np.uint8)
    image[..., 0] = 255  # blue, which is the last of RGB
    assert (ExportedNetwork(brightest(tmp_path)).labels(image) == 2).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"size": (48, 104)}, r"does not take the images \(3, 48, 104\) of its metadata"),
        ({"head": "logits"}, r"answers with uint8 of shape \(48, 96\), expected logits \(3, 48, 96\)"),
        ({"classes": 2}, "answers with class 2, its metadata name 2"),
    ],
)
def test_a_graph_that_is_not_as_its_metadata_say_is_refused(tmp_path, options, problem):
    image = np.zeros((10, 20, 3), np.uint8)
    image[..., 0] = 255
    with pytest.raises(UserError, match=rf"brightest\.onnx {problem}; export it anew"):
        ExportedNetwork(brightest(tmp_path, **options)).labels(image)


def test_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch, capsys):
    with Progress(30) as progress:
        for _ in range(30):
            progress.step("a.png")
    assert len(capsys.readouterr().err.splitlines()) == 10
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(2) as progress:
        progress.step("a.png")
        progress.step("b.png")
    printed = capsys.readouterr().err
    assert "2/2" in printed
    assert "b.png" in printed
