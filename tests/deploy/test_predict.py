"""`predict` on real files, and in a process that cannot import torch or mmseg."""

import os
import re
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
from deployed_networks import balance_classes, randomize, small_genotype
from patience import PATIENCE

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.datasets.streets.renderer import render_scene
from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.export import ExportOptions
from ssr_mmseg.deploy.frame_times import Progress
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.deploy.onnx_model import ExportedNetwork, largest_logits
from ssr_mmseg.deploy.overlay import Overlay
from ssr_mmseg.deploy.predict import PredictOptions, predict
from ssr_mmseg.deploy.videos import Video
from ssr_mmseg.experiment.pairs import build_derived
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.export import export_pair
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.utils.errors import UserError

CONFIG = settings.read_config(PROJECT / settings.DEFAULTS)
SIZE = (48, 96)
WITHOUT_TORCH = """
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
    network = build_derived(CONFIG["retrain"]["config"], small_genotype(), 5).eval()
    randomize(network, 3)
    balance_classes(
        network.decode_head.conv_seg, torch.cat([segmentor_logits(network, scene(index)) for index in range(4)])
    )
    return network


@pytest.fixture(scope="module", params=["labels", "logits"])
def model(request, segmentor, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    small_genotype().write(folder / "net.json")
    save_state(folder / "weights.pth", {"model": segmentor.state_dict()})
    options = ExportOptions(request.param, SIZE)
    export_pair(CONFIG, folder / "net.json", folder / "weights.pth", folder / "net.onnx", options)
    return folder / "net.onnx"


def scene(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A rendered frame (H, W, 3), BGR, uint8."""
    image = render_scene(5, index, SIZE)[0][:, :, ::-1]
    return cv2.resize(image, size[::-1]) if size != SIZE else np.ascontiguousarray(image)


@torch.inference_mode()
def segmentor_logits(segmentor, image: np.ndarray) -> torch.Tensor:
    """Logits of the torch segmentor (1, classes, H, W) for an image (H, W, 3), BGR, of its input size."""
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


def test_labels_equal_those_of_the_torch_model(model, segmentor):
    network = ExportedNetwork(model)
    for index in range(4):
        image = scene(index)
        labels = network.labels(image)
        assert labels.dtype == np.uint8
        assert len(np.unique(labels)) > 1
        expected = segmentor_logits(segmentor, image).argmax(dim=1)[0].numpy()
        assert (labels == expected).mean() > 0.998


def test_images_and_video_of_a_folder_without_torch(model, inputs, tmp_path):
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-c",
        WITHOUT_TORCH,
        "predict",
        str(model),
        str(inputs),
        "--out",
        str(out),
        "--threads",
        "1",
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "5 of 5 frames, two.jpg"  # plain lines, because stderr is not a terminal
    times = r"5 frames, (\S+) ms each in the network, (\S+) ms with reading, drawing and writing: (\S+) FPS"
    alone, whole, rate = map(float, re.fullmatch(rf"{re.escape(str(out))}: {times}\n", done.stdout).groups())
    assert 0 < alone <= whole
    assert rate == pytest.approx(1000 / whole, rel=0.5, abs=0.1)  # of rounded numbers
    assert sorted(path.name for path in out.iterdir()) == ["drive.mp4", "one.png", "two.png"]
    network = ExportedNetwork(model)
    draw = Overlay(network.metadata).draw
    for name, source in (("one", "one.png"), ("two", "two.jpg")):
        image = cv2.imread(str(inputs / source))
        overlay = cv2.imread(str(out / f"{name}.png"))
        np.testing.assert_array_equal(overlay, draw(image, network.labels(image)))
    video = cv2.VideoCapture(str(out / "drive.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (104, 64)
    assert video.get(cv2.CAP_PROP_FPS) == 10
    video.release()


@pytest.mark.parametrize("module", ["deploy.predict", "deploy.onnx_model"])
def test_importing_prediction_does_not_import_torch_or_mmseg(module):
    code = f"import sys, ssr_mmseg.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "torchvision", "mmseg", "mmengine", "mmcv"} & set(done.stdout.split())


def png_header(height: int, width: int) -> bytes:
    """A PNG whose header specifies height × width pixels, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def fails(capfd, *arguments: object) -> str:
    assert main(["predict", *map(str, arguments)]) == 2
    # A decoder started by an earlier test may print a message, too.
    lines = [line for line in capfd.readouterr().err.strip().splitlines() if not line.startswith("[mov,")]
    assert len(lines) == 1, lines
    return lines[0]


def test_user_errors_are_one_line_and_write_nothing(model, inputs, tmp_path, capfd):
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
    assert "one.png is not an ONNX model" in fails(capfd, one, one, *to)
    assert "input nowhere.png not found, or not a file" in fails(capfd, model, "nowhere.png", *to)
    assert "notes.txt is neither an image nor a video" in fails(capfd, model, inputs / "notes.txt", *to)
    assert f"folder {empty} has no image or video" in fails(capfd, model, empty, *to)
    assert "broken.png cannot be read as an image" in fails(capfd, model, broken, *to)
    assert "huge.png has 60000x60000 pixels; at most 64000000 are allowed" in fails(capfd, model, huge, *to)
    assert "film.mp4 is not an MP4, MOV, AVI, MKV or WebM video" in fails(capfd, model, film, *to)
    assert "would be overwritten" in fails(capfd, model, one, "--out", inputs)
    assert "--skip: unknown class 'raod'; choose from: class 0, class 1" in fails(
        capfd, model, one, *to, "--skip", "class 1,raod"
    )
    assert "run: pip install onnxruntime-gpu" in fails(capfd, model, one, *to, "--provider", "cuda")
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("threads", [-1, 1025, 10**9, 2**70])
def test_an_impossible_number_of_threads_is_refused(threads, inputs, tmp_path):
    with pytest.raises(UserError, match=f"expected 1 to 1024 threads, or 0 for one per core, found {threads}"):
        predict(tmp_path / "net.onnx", [inputs], tmp_path / "out", threads=threads)


@pytest.mark.parametrize("opacity", [float("nan"), float("inf"), -0.1])
def test_an_impossible_opacity_is_refused(opacity, model, inputs, tmp_path):
    with pytest.raises(UserError, match=f"expected an opacity from 0 to 1, found {opacity}"):
        predict(model, [inputs], tmp_path / "out", options=PredictOptions(opacity=opacity))


def test_masks_are_the_class_ids_of_images_and_of_each_frame(model, inputs, tmp_path):
    out = tmp_path / "out"
    written = predict(model, [inputs], out, options=PredictOptions(masks=True))
    names = ["drive.mp4", "drive_mask", "one.png", "one_mask.png", "two.png", "two_mask.png"]
    assert written == [out / name for name in names]
    assert sorted(path.name for path in out.iterdir()) == names
    network = ExportedNetwork(model)
    for source, name in (("one.png", "one_mask.png"), ("two.jpg", "two_mask.png")):
        mask = cv2.imread(str(out / name), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, network.labels(cv2.imread(str(inputs / source))))
        assert mask.dtype == np.uint8
    assert sorted(path.name for path in (out / "drive_mask").iterdir()) == [f"{n:06}.png" for n in range(3)]
    with Video(inputs / "drive.avi") as video:
        for number, frame in enumerate(video.frames()):
            mask = cv2.imread(str(out / f"drive_mask/{number:06}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask, network.labels(frame))


def test_masks_of_a_video_replace_those_of_an_earlier_run_but_nothing_else(model, inputs, tmp_path):
    out, options = tmp_path / "out", PredictOptions(masks=True, frames=2)
    folder = out / "drive_mask"
    folder.mkdir(parents=True)
    (folder / "000007.png").touch()
    predict(model, [inputs / "drive.avi"], out, options=options)
    assert sorted(path.name for path in folder.iterdir()) == ["000000.png", "000001.png"]
    (folder / "mine.png").touch()
    video = (out / "drive.mp4").read_bytes()
    assert "drive_mask/mine.png is no mask of a video" in refused(model, [inputs / "drive.avi"], out, "cpu", 0, options)
    assert (folder / "mine.png").exists()
    assert (out / "drive.mp4").read_bytes() == video


@pytest.mark.parametrize(("options", "count"), [({"frames": 2}, 2), ({"seconds": 0.1}, 1), ({"frames": 9}, 3)])
def test_a_video_ends_after_the_frames_or_seconds_that_are_asked_for(model, inputs, tmp_path, capfd, options, count):
    predict(model, [inputs / "drive.avi"], tmp_path, options=PredictOptions(**options))
    with Video(tmp_path / "drive.mp4") as video:
        assert len(list(video.frames())) == count
    assert f"{count} of {count} frames" in capfd.readouterr().err.splitlines()[-1]


def test_options_of_the_command_line_change_the_overlay(model, inputs, tmp_path, capfd):
    arguments = ("--legend", "--skip", "class 0, class 2", "--palette", "safe", "--opacity", "1", "--masks")
    assert main(["predict", str(model), str(inputs / "one.png"), "--out", str(tmp_path / "out"), *arguments]) == 0
    network, image = ExportedNetwork(model), cv2.imread(str(inputs / "one.png"))
    overlay = Overlay(network.metadata, 1.0, skip=("class 0", "class 2"), palette="safe", legend=True)
    expected = overlay.draw(image, network.labels(image))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out/one.png")), expected)
    mask = cv2.imread(str(tmp_path / "out/one_mask.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask, network.labels(image))  # with the classes that are not drawn


def test_inputs_of_the_same_name_all_have_an_output(model, inputs, tmp_path):
    other, out = tmp_path / "other", tmp_path / "out"
    other.mkdir()
    cv2.imwrite(str(other / "one.jpg"), scene(2))
    written = predict(model, [inputs / "one.png", other, inputs / "one.png"], out)
    assert written == [out / "in_one.png", out / "other_one.png"]
    assert sorted(out.iterdir()) == written
    assert not np.array_equal(cv2.imread(str(written[0])), cv2.imread(str(written[1])))


def refused(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        predict(*arguments)
    return str(caught.value)


def test_pipes_devices_and_loops_are_no_inputs(model, inputs, tmp_path):
    folder, out = tmp_path / "odd", tmp_path / "odd/out"
    folder.mkdir()
    os.mkfifo(folder / "pipe.mp4")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "nowhere.png").symlink_to("absent.png")
    (folder / "folder.png").mkdir()
    (folder / "up").symlink_to(folder)
    for name in ("pipe.mp4", "pipe.png", "zero.png", "loop.png", "nowhere.png"):
        assert f"{name} not found, or not a file; check the path" in refused(model, [folder / name], out)
    assert f"folder {folder} has no image or video" in refused(model, [folder], out)
    assert "could not read input" in refused(model, [folder / ("x" * 300)], out)
    assert "pipe.png not found" in refused(folder / "pipe.png", [inputs], out)
    (folder / "one.png").symlink_to(inputs / "one.png")
    assert predict(model, [folder], out) == [out / "one.png"]  # within the input
    assert "would be overwritten" in refused(model, [folder / "one.png"], inputs)
    assert "could not write" in refused(model, [folder / "one.png"], inputs / "notes.txt")


def test_names_of_any_bytes_are_read_and_shown_plainly(model, tmp_path, capfd):
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "plain.png"), scene(0))
    red = folder / "\x1b[31mred\n.png"
    (folder / "plain.png").rename(red)
    red.with_name(os.fsdecode(b"\xff.png")).write_bytes(red.read_bytes())
    assert main(["predict", str(model), str(folder), "--out", str(tmp_path / "out")]) == 0
    assert capfd.readouterr().err.splitlines() == [
        r"1 of 2 frames, \x1b[31mred .png",
        r"2 of 2 frames, \udcff.png",
    ]
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_foreign_model_is_refused(tmp_path):
    graph = onnx_export.export(torch.nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 8, 8))
    onnx.save(graph, tmp_path / "foreign.onnx")
    with pytest.raises(
        UserError, match=r"foreign\.onnx has no metadata 'ssr_mmseg'.*create the file with: ssr-mmseg export"
    ):
        ExportedNetwork(tmp_path / "foreign.onnx")


def brightest(folder: Path, head: str = "labels", size: tuple[int, int] = SIZE, classes: int = 3) -> Path:
    """A file whose graph returns the brightest channel of an image of `SIZE`, with metadata that may contradict it."""
    kinds = onnx.TensorProto
    nodes = [
        onnx.helper.make_node("ArgMax", ["images"], ["numbers"], axis=1, keepdims=0),
        onnx.helper.make_node("Cast", ["numbers"], ["labels"], to=kinds.UINT8),
    ]
    images = onnx.helper.make_tensor_value_info("images", kinds.FLOAT, [1, 3, *SIZE])
    labels = onnx.helper.make_tensor_value_info("labels", kinds.UINT8, [1, *SIZE])
    opset = onnx.helper.make_opsetid("", onnx_export.OPSET)
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [images], [labels]), opset_imports=[opset])
    model.ir_version = 10
    colors = ((1, 2, 3),) * classes
    metadata = OnnxMetadata("n", head, size, ("c",) * classes, colors, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), {})
    onnx.helper.set_model_props(model, {KEY: metadata.to_json()})
    onnx.save(model, folder / "brightest.onnx")
    return folder / "brightest.onnx"


@pytest.mark.parametrize("text", [b'"channels"', b"ssr_mmseg"])
def test_text_that_is_not_utf8_is_refused(text, tmp_path):
    path = brightest(tmp_path)
    path.write_bytes(path.read_bytes().replace(text, b"\xff" + text[1:]))
    with pytest.raises(UserError, match=r"brightest\.onnx has a name or metadata that are not UTF-8"):
        ExportedNetwork(path)


def test_any_graph_with_valid_metadata_runs(tmp_path):
    image = np.zeros((10, 20, 3), np.uint8)
    image[..., 0] = 255  # blue, which is the last of RGB
    assert (ExportedNetwork(brightest(tmp_path)).labels(image) == 2).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"size": (48, 104)}, r"does not accept images of shape \(3, 48, 104\), which its metadata give"),
        (
            {"head": "logits"},
            r"returns a tensor\(uint8\) of shape \[1, 48, 96\], expected logits of shape \[1, 3, 48, 96\]",
        ),
        ({"classes": 2}, "returns class 2, but its metadata name 2 classes"),
    ],
)
def test_a_graph_that_contradicts_its_metadata_is_refused(tmp_path, options, problem):
    image = np.zeros((10, 20, 3), np.uint8)
    image[..., 0] = 255
    with pytest.raises(UserError, match=rf"brightest\.onnx {problem}; export it again"):
        ExportedNetwork(brightest(tmp_path, **options)).labels(image)


@pytest.mark.parametrize("classes", [1, 5, 19, 256])  # OpenCV cannot resize more than 128 channels at once
def test_the_largest_logits_at_the_image_size(classes):
    logits = np.random.default_rng(classes).integers(-50, 50, (classes, 12, 16)).astype(np.float32)
    resized = np.stack([cv2.resize(plane, (33, 25), interpolation=cv2.INTER_LINEAR) for plane in logits])
    labels = largest_logits(logits, (25, 33))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, resized.argmax(axis=0))


def test_logits_that_are_no_numbers_give_labels_of_known_classes():
    logits = np.full((3, 4, 4), np.nan, np.float32)
    logits[1, 0] = -np.inf
    logits[2, 1] = np.inf
    assert set(np.unique(largest_logits(logits, (8, 8)))) <= {0, 1, 2}


def test_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch, capsys):
    with Progress(30) as progress:
        for _ in range(30):
            progress.step("a.png")
    assert len(capsys.readouterr().err.splitlines()) == 10
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(2) as progress:
        progress.step("a.png")
        progress.step("\x1b[2Jb.png")
    printed = capsys.readouterr().err
    assert "2/2" in printed
    assert r"\x1b[2Jb.png" in printed
