import json
import math

import pytest

from ssr_mmseg.datasets import class_weights, read_manifest
from ssr_mmseg.utils.errors import UserError

SIZE = [2, 4]
COUNTS = {"images": 1, "sizes": [{"size": SIZE, "images": 1}], "smallest": SIZE, "largest": SIZE, "ignored": 0}


@pytest.fixture
def manifest(tmp_path):
    return {
        "dataset": "own",
        "type": "folder",
        "root": str(tmp_path),
        "classes": ["a", "b", "c"],
        "palette": [[0, 0, 0], [1, 1, 1], [2, 2, 2]],
        "size": [32, 64],
        "train_split": "train",
        "splits": {
            "train": {**COUNTS, "pixels": [6, 2, 0], "pixels_eighth": [1, 1, 0], "class_images": [1, 1, 0]},
            "val": {**COUNTS, "pixels": [0, 8, 0], "pixels_eighth": [0, 2, 0], "class_images": [0, 1, 0]},
            "test": None,
        },
        "source": None,
        "digest": "0",
        "notes": [],
        "warnings": [],
    }


def test_weights_follow_the_formula(manifest):
    assert class_weights(manifest, "full", ["train"]) == pytest.approx([1 / math.log(c) for c in (1.85, 1.35, 1.10)])
    assert class_weights(manifest, "eighth", ["train"]) == pytest.approx([1 / math.log(c) for c in (1.70, 1.70, 1.20)])


def test_weights_of_joined_splits(manifest):
    frequencies = (6 / 16, 10 / 16, 0)
    assert class_weights(manifest, "full", ["train", "val"]) == pytest.approx(
        [1 / math.log(1.10 + f) for f in frequencies]
    )


def test_no_labeled_pixel(manifest):
    manifest["splits"]["train"]["pixels"] = [0, 0, 0]
    with pytest.raises(UserError, match="every training pixel is ignored"):
        class_weights(manifest, "full", ["train"])


def test_round_trip(manifest, tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(manifest))
    assert read_manifest(tmp_path / "dataset.json") == manifest


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda m: m | {"root": m["root"] + "/gone"},
            "data of own are missing: .*gone is not a folder.*prepare",
        ),
        (lambda m: {key: m[key] for key in m if key != "splits"}, "not a dataset manifest: splits missing"),
        (lambda m: [m], "not a dataset manifest"),
        (lambda m: m | {"root": 5}, "root: 5 is not of type 'string'; prepare the dataset again"),
        (lambda m: m | {"classes": "abc"}, "classes: 'abc' is not of type 'array'"),
        (lambda m: m | {"classes": ["a", "b"]}, "has 2 classes but a palette or pixel counts of another length"),
        (lambda m: m | {"palette": [[0, 0, 256]] * 3}, "256 is greater than the maximum of 255"),
        (lambda m: m | {"splits": m["splits"] | {"train": None}}, "train: None is not of type 'object'"),
        (lambda m: m | {"splits": m["splits"] | {"more": "text"}}, "Additional properties are not allowed"),
        (lambda m: m | {"splits": {"train": {"images": 1}}}, "is a required property"),
    ],
)
def test_invalid_manifests_are_refused(manifest, change, match, tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(change(manifest)))
    with pytest.raises(UserError, match=match):
        read_manifest(tmp_path / "dataset.json")


def test_missing_manifest(tmp_path):
    with pytest.raises(UserError, match="not found: the dataset is not prepared"):
        read_manifest(tmp_path / "dataset.json")
