"""The form of an output is recognized from type and shape, and what is unclear names the key that decides."""

import pytest

from ssr_mmseg.deploy.class_mapping import map_classes
from ssr_mmseg.deploy.output_form import OutputForm, recognize_output
from ssr_mmseg.settings.models import Output
from ssr_mmseg.utils.errors import UserError

CLASSES = [f"class {number}" for number in range(11)]
SIZE = (64, 96)


def recognize(data_type, shape, entries=None, size=SIZE, **options):
    return recognize_output(data_type, shape, size, map_classes(entries, CLASSES, "f"), Output(**options), "f")


@pytest.mark.parametrize("integer", ["tensor(uint8)", "tensor(int32)", "tensor(int64)", "tensor(bool)"])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_integers_are_labels_of_any_stride(integer, stride):
    small = (64 // stride, 96 // stride)
    assert recognize(integer, [1, *small]) == OutputForm("labels", "", small)
    assert recognize(integer, [1, 1, *small]) == OutputForm("labels", "nchw", small)
    assert recognize(integer, [1, *small, 1]) == OutputForm("labels", "nhwc", small)


@pytest.mark.parametrize("stride", [1, 4, 8])
def test_floats_with_an_axis_of_the_classes_are_logits(stride):
    small = (64 // stride, 96 // stride)
    assert recognize("tensor(float)", [1, 11, *small]) == OutputForm("logits", "nchw", small)
    assert recognize("tensor(float16)", [1, *small, 11]) == OutputForm("logits", "nhwc", small)


def test_a_size_that_the_stride_does_not_divide_may_be_rounded_both_ways():
    for shape in ([45, 61], [46, 60], [45, 60], [46, 61]):
        assert recognize("tensor(float)", [1, 11, *shape], size=(361, 481)).size == tuple(shape)


def test_further_classes_of_the_file_need_a_list():
    with pytest.raises(
        UserError, match=r"of shape \[1, 19, 64, 96\].*C = 11 classes.*list the file's classes in classes"
    ):
        recognize("tensor(float)", [1, 19, 64, 96])
    nineteen = [0, *[None] * 18]
    assert recognize("tensor(float)", [1, 19, 64, 96], nineteen).layout == "nchw"
    assert recognize("tensor(float)", [1, 64, 96, 19], {"18": 3}).layout == "nhwc"
    with pytest.raises(UserError, match="C = at least 21 classes"):
        recognize("tensor(float)", [1, 19, 64, 96], {"20": 3})


def test_what_can_be_read_in_two_ways_names_the_key():
    size = (16, 11)
    assert recognize("tensor(float)", [1, 11, 16, 11], size=size).layout == "nchw"
    with pytest.raises(UserError, match=r"can be read as nchw and as nhwc; set output.layout to one of them"):
        recognize("tensor(float)", [1, 11, 11, 11], size=(11, 11))
    assert recognize("tensor(float)", [1, 11, 11, 11], size=(11, 11), layout="nhwc").layout == "nhwc"


def test_the_kind_may_be_said():
    assert recognize("tensor(float)", [1, 64, 96], kind="labels").kind == "labels"
    assert recognize("tensor(int8)", [1, 11, 64, 96], kind="logits") == OutputForm("logits", "nchw", (64, 96))


@pytest.mark.parametrize(
    ("data_type", "shape", "options", "message"),
    [
        ("tensor(string)", [1, 64, 96], {}, "returns a tensor\\(string\\), expected numbers; choose another output"),
        ("tensor(float)", [1, 64, 96], {}, "set output.kind to labels if these are class numbers"),
        ("tensor(float)", [1, 300, 10], {}, "H and W being those of the images or divided by a whole number"),
        ("tensor(float)", [1, 11, 48, 64], {}, "expected logits of shape"),  # two strides
        ("tensor(float)", [1, 11, 128, 192], {}, "expected logits of shape"),  # larger than the images
        ("tensor(uint8)", [1, 11, 64, 96], {}, "set output.kind to logits if these are"),
        ("tensor(float)", [1, 11, 64, 96], {"layout": "nhwc"}, "expected logits of shape"),
        ("tensor(int64)", [64, 96], {}, "expected labels of shape"),
        ("tensor(float)", [], {}, "expected logits of shape"),
    ],
)
def test_what_is_no_map_is_one_line(data_type, shape, options, message):
    with pytest.raises(UserError, match=message) as caught:
        recognize(data_type, shape, **options)
    assert "\n" not in str(caught.value)
