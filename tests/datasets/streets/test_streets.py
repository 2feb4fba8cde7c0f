import numpy as np
import pytest
from PIL import Image

from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.datasets.camvid import CLASSES
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.datasets.streets import dataset as module
from ssr_mmseg.utils.errors import UserError


def settings(**options) -> dict:
    return {
        "name": "streets",
        "type": "streets",
        "source": None,
        "size": [32, 64],
        "train_split": "train",
        "options": {"train": 3, "val": 2, "test": 2, "seed": 0} | options,
    }


def pictures(out) -> dict[str, bytes]:
    """Return the pixels of every file by its name."""
    return {
        str(path.relative_to(out / "data")): np.asarray(Image.open(path)).tobytes()
        for path in (out / "data").rglob("*.png")
    }


def test_rendered_dataset(tmp_path):
    prepare(settings(), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert manifest["root"] == str(tmp_path / "out" / "data")
    assert manifest["classes"] == list(CLASSES)
    assert [manifest["splits"][split]["images"] for split in ("train", "val", "test")] == [3, 2, 2]
    assert sum(manifest["splits"]["train"]["pixels"]) <= 3 * 32 * 64
    assert manifest["notes"] == []  # in particular, no frame is in two splits


def test_equal_settings_give_equal_bytes_and_more_frames_change_no_other_split(tmp_path):
    for name, options in (("a", {}), ("b", {}), ("c", {"train": 4}), ("d", {"seed": 1})):
        prepare(settings(**options), tmp_path / name)
    first, again, more, other = (pictures(tmp_path / name) for name in "abcd")
    assert first == again
    assert {name: more[name] for name in first} == first
    assert len(more) == len(first) + 2
    assert all(first[name] != other[name] for name in first if "images" in name)
    digests = [read_manifest(tmp_path / name / "dataset.json")["digest"] for name in "abcd"]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_options_have_the_documented_defaults(tmp_path):
    prepare(settings() | {"options": None}, tmp_path / "out")
    splits = read_manifest(tmp_path / "out" / "dataset.json")["splits"]
    assert [splits[split]["images"] for split in ("train", "val", "test")] == [192, 48, 48]
    prepare(settings() | {"options": {"train": 1, "val": 1, "test": 1}}, tmp_path / "unseeded")
    prepare(settings(train=1, val=1, test=1, seed=0), tmp_path / "seeded")
    assert pictures(tmp_path / "unseeded") == pictures(tmp_path / "seeded")


@pytest.mark.parametrize("change", [{"train": 0}, {"val": 1.5}, {"test": None}, {"seed": -1}, {"train": True}])
def test_invalid_options_are_refused(change, tmp_path):
    key = next(iter(change))
    with pytest.raises(UserError, match=f"options.{key} must be an integer, at least"):
        prepare(settings(**change), tmp_path / "out")


def test_an_unknown_option_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"unknown options frames; type streets has the options .*seed.*train"):
        prepare(settings(frames=3), tmp_path / "out")


def test_failed_rendering_leaves_nothing(tmp_path, monkeypatch):
    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Image.Image, "save", full)
    with pytest.raises(UserError, match=r"could not write .*data: No space left on device"):
        prepare(settings(), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
