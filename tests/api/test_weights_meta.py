"""Descriptions of the network in the weights that are not what they should be."""

from pathlib import Path

import pytest

from ssr_mmseg.api.weights_meta import check_meta
from ssr_mmseg.utils.errors import UserError

CLASSES = {"classes": ["a", "b"], "palette": [[0, 0, 0], [1, 2, 255]]}
META = {"dataset_meta": CLASSES, "input_size": [32, 64], "overlap": 8}


@pytest.mark.parametrize(
    "meta",
    [
        META,
        {},
        {"dataset_meta": {}, "epoch": 3},
        {"dataset_meta": {"classes": ("a", "b"), "palette": None, "reduce_zero_label": False}},
        {"dataset_meta": None, "input_size": (32, 64), "overlap": None},
    ],
)
def test_what_trainings_of_this_project_and_of_mmseg_write_is_accepted(meta):
    check_meta(meta, Path("w.pth"))


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("dataset_meta", 3, "a dataset_meta"),
        ("dataset_meta", [CLASSES], "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "classes": "ab"}, "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "classes": [1, 2]}, "a dataset_meta"),
        ("dataset_meta", {"classes": ["a"] * 257}, "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "classes": ["a", "\x1b[2J"]}, "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "palette": 3}, "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "palette": [[0, 0], [1, 2]]}, "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "palette": [[0, 0, 256], [1, 2, 3]]}, "a dataset_meta"),
        ("dataset_meta", {**CLASSES, "palette": [[0, 0, 0.5], [1, 2, 3]]}, "a dataset_meta"),
        ("input_size", [32], "the input_size"),
        ("input_size", [32, 2**40], "the input_size"),
        ("input_size", [32.0, 64.0], "the input_size"),
        ("input_size", [0, 64], "the input_size"),
        ("input_size", "ab", "the input_size ab"),
        ("overlap", 32, "the overlap 32"),
        ("overlap", -1, "the overlap -1"),
        ("overlap", "x", "the overlap x"),
    ],
)
def test_others_are_refused_in_one_line(key, value, problem):
    with pytest.raises(UserError, match=rf"^w\.pth: its meta have {problem}") as caught:
        check_meta({**META, key: value}, Path("w.pth"))
    assert "\n" not in str(caught.value)


def test_an_overlap_needs_the_size():
    with pytest.raises(UserError, match="the overlap 8"):
        check_meta({"overlap": 8}, Path("w.pth"))
