"""ONNX files of others are fed and read as their entries say, or as their types and shapes do."""

import numpy as np
import pytest
from color_files import COLORS, color_file, thirds, tricolor
from onnx import TensorProto
from pydantic import ValidationError

from ssr_mmseg.deploy.rival_input import place
from ssr_mmseg.deploy.rival_network import RivalNetwork, open_rival
from ssr_mmseg.settings.models import Rival
from ssr_mmseg.utils.errors import UserError

CLASSES = ["Red", "Green", "Blue"]
SIZE = (8, 12)


def rival(**entry) -> Rival:
    return Rival.model_validate({"onnx": "file.onnx", "name": "file", **entry})


@pytest.fixture
def opened(tmp_path):
    """A function that makes a file and opens it."""

    def make(entry=None, classes=CLASSES, overlap=None, **file):
        path = color_file(tmp_path / "file.onnx", **file)
        return open_rival(path, rival(**(entry or {})), classes, SIZE, overlap, threads=1)

    return make


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("output_layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_logits_of_any_layout_and_stride(opened, layout, output_layout, stride):
    network = opened(size=(12, 24), layout=layout, output_layout=output_layout, stride=stride)
    assert isinstance(network, RivalNetwork)
    labels = network.segment(tricolor(48, 96))
    assert labels.dtype == np.uint8
    assert (labels == thirds(48, 96)).mean() > 0.9  # boundaries are blurred
    assert (labels[:, ::32] == thirds(48, 96)[:, ::32]).all()


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64])
@pytest.mark.parametrize("output", ["labels", "labels4"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_labels_of_any_type_and_stride(opened, kind, output, stride):
    network = opened(size=(12, 24), kind=kind, output=output, stride=stride)
    assert (network.segment(tricolor(24, 48)) == thirds(24, 48)).mean() > 0.9


def test_labels_at_the_size_of_the_image_are_exact(opened):
    network = opened(output="labels", kind=TensorProto.UINT8)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_floats_are_labels_if_the_entry_says_so(opened):
    file = {"output": "labels", "kind": TensorProto.FLOAT}
    with pytest.raises(UserError, match=r"set output.kind to labels"):
        opened(**file)
    network = opened({"output": {"kind": "labels"}}, **file)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_integer_logits_are_logits_if_the_entry_says_so(opened):
    file = {"kind": TensorProto.INT32, "weights": 9 * COLORS}
    with pytest.raises(UserError, match=r"set output.kind to logits"):
        opened(**file)
    network = opened({"output": {"kind": "logits"}}, **file)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_the_order_of_colors_and_the_normalization_are_those_of_the_entry(tmp_path):
    path = color_file(tmp_path / "file.onnx")
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    for options in (
        {},
        {"channels": "bgr"},
        {"scale": 1.0, "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]},
        {"mean": [0.5, 0.25, 0.75], "std": [0.5, 2.0, 0.125], "channels": "bgr"},
    ):
        network = open_rival(path, rival(preprocess=options), CLASSES, SIZE, threads=1)
        channels = image if options.get("channels") == "bgr" else image[:, :, ::-1]
        values = channels.astype(np.float64) / options.get("scale", 255.0)
        values = (values - options.get("mean", 0)) / options.get("std", 1)
        assert (network.segment(image) == values.argmax(axis=2)).all(), options


def test_bytes_are_pixels_as_they_are(opened):
    network = opened(input_kind=TensorProto.UINT8, weights=COLORS - 0.5)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()
    with pytest.raises(UserError, match=r"which are pixels as they are, found preprocess.mean; remove it"):
        opened({"preprocess": {"mean": [0.1, 0.1, 0.1]}}, input_kind=TensorProto.UINT8)


def test_half_precision(opened):
    network = opened(input_kind=TensorProto.FLOAT16, kind=TensorProto.FLOAT16)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_a_batch_of_the_file_is_filled(opened):
    assert (opened(batch=3).segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_an_open_size_is_that_of_the_entry_or_of_the_dataset(opened):
    open_sides = {"size": ("height", "width"), "batch": "batch"}
    assert opened(**open_sides).input.size == SIZE
    assert opened({"preprocess": {"size": [9, 15]}}, **open_sides).input.size == (9, 15)
    assert opened(size=("height", 20)).input.size == (8, 20)
    with pytest.raises(UserError, match=r"preprocess.size is \[9, 15\]; leave it out, because the file has a size"):
        opened({"preprocess": {"size": [9, 15]}})


@pytest.mark.parametrize(
    ("image", "size", "rows", "columns"),
    [
        ((360, 480), (192, 256), (0, 192), (0, 256)),
        ((360, 480), (256, 256), (32, 224), (0, 256)),
        ((480, 360), (256, 256), (0, 256), (32, 224)),
        ((100, 99), (32, 32), (0, 32), (0, 32)),
        ((1, 1000), (64, 64), (31, 32), (0, 64)),
        ((3, 2), (32, 32), (0, 32), (5, 26)),
    ],
)
def test_a_letterbox_is_in_the_middle(image, size, rows, columns):
    placed = place(image, size, "letterbox")
    assert (placed.rows, placed.columns) == (slice(*rows), slice(*columns))
    stretched = place(image, size, "stretch")
    assert (stretched.rows, stretched.columns) == (slice(0, size[0]), slice(0, size[1]))


@pytest.mark.parametrize("file", [{}, {"stride": 4}, {"output": "labels", "kind": TensorProto.UINT8}])
@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (48, 48)])
def test_padding_of_a_letterbox_is_cut_off(opened, file, shape):
    network = opened({"preprocess": {"resize": "letterbox"}}, size=(48, 48), **file)
    labels = network.segment(tricolor(*shape))
    assert labels.shape == shape
    assert (labels == thirds(*shape)).mean() > 0.85


def test_a_letterbox_shows_the_network_gray_around_the_image(opened):
    seen = np.array([[0.0, 0, 0], [1, 1, 1]], np.float32)  # class 1 wherever the image is not black
    network = opened(
        {"classes": [0, 1], "preprocess": {"resize": "letterbox"}}, ["Black", "Gray"], size=(16, 16), weights=seen
    )
    assert (network.segment(np.zeros((8, 16, 3), np.uint8)) == 0).all()


def test_classes_are_mapped(opened):
    network = opened({"classes": {"0": "Blue", "2": None, "1": 0}})
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12, (2, 0, 255))).all()
    with pytest.raises(UserError, match="with C = 2 classes"):
        opened({"classes": ["Red", "Green"]})


def test_a_label_beyond_the_classes_is_one_line(opened):
    file = {"output": "labels", "kind": TensorProto.UINT8}
    with pytest.raises(
        UserError, match="values of 0 to 2 as classes, expected whole numbers from 0 to 1; list its classes"
    ):
        opened(classes=["Red", "Green"], **file).segment(tricolor(8, 12))
    network = opened({"classes": {"0": 0, "1": 1}}, classes=["Red", "Green"], **file)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12, (0, 1, 255))).all()


def test_one_of_several_outputs_is_named(opened):
    with pytest.raises(UserError, match=r"has the outputs output, features; name one of them in output.name"):
        opened(extra_output=True)
    with pytest.raises(UserError, match=r"has no output logits; correct output.name to one of output, features"):
        opened({"output": {"name": "logits"}}, extra_output=True)
    network = opened({"output": {"name": "output"}}, extra_output=True)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_windows_cover_an_image_that_must_not_be_resized(opened):
    network = opened(overlap=2)
    for shape in ((21, 30), (5, 40), (6, 6)):
        assert (network.segment(tricolor(*shape)) == thirds(*shape)).all(), shape


def test_a_layout_that_the_shape_does_not_show_is_asked_for(tmp_path):
    import onnx

    path = color_file(tmp_path / "file.onnx", size=("h", "w"))
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "c"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"axis of the colors is unclear; set preprocess.layout to nchw or nhwc"):
        open_rival(path, rival(), CLASSES, SIZE)
    network = open_rival(path, rival(preprocess={"layout": "nchw"}), CLASSES, SIZE)
    assert (network.segment(tricolor(8, 12)) == thirds(8, 12)).all()


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"networks: file: file .*none.onnx not found; correct the path"):
        open_rival(tmp_path / "none.onnx", rival(), CLASSES, SIZE)


@pytest.mark.parametrize(
    "entry",
    [
        {"preprocess": {"scale": 0.0}},
        {"preprocess": {"std": [1.0, 0.0, 1.0]}},
        {"preprocess": {"mean": [0.0, 0.0]}},
        {"preprocess": {"channels": "gray"}},
        {"preprocess": {"layout": "chw"}},
        {"preprocess": {"resize": "crop"}},
        {"preprocess": {"size": [0, 32]}},
        {"preprocess": {"size": [8192, 8192]}},
        {"preprocess": {"sacle": 1.0}},
        {"output": {"kind": "boxes"}},
        {"output": {"layout": "hwc"}},
        {"output": {"name": 3}},
        {"classes": []},
        {"classes": {}},
        {"classes": {"road": "Red"}},
        {"classes": {"01": "Red"}},
        {"classes": [1.5]},
        {"classes": [255]},
        {"classes": "Red"},
        {"name": "a b"},
        {"onnx": ""},
        {"license": "MIT"},
    ],
)
def test_a_bad_value_of_each_key_is_refused(entry):
    with pytest.raises(ValidationError):
        rival(**entry)
