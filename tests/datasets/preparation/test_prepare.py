import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from dataset_files import SIZE, write_pair
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS
from PIL import Image

from ssr_mmseg.datasets import read_manifest, split_configs
from ssr_mmseg.datasets.preparation import prepare as prepare_module
from ssr_mmseg.datasets.preparation.prepare import files_digest, label_table, prepare
from ssr_mmseg.datasets.preparation.verify import IGNORED, INVALID, CheckedPair
from ssr_mmseg.settings import complete, for_dataset
from ssr_mmseg.settings.prepared_files import changed_files, read_records
from ssr_mmseg.utils.errors import UserError


@pytest.fixture
def folder_settings(tmp_path: Path) -> Callable[..., dict]:
    """Return a function that writes a folder dataset (2 classes; 2, 1 and 1 frames) to `tmp_path/own`."""

    def make(**changes) -> dict:
        root = tmp_path / "own"
        for seed, (split, name) in enumerate(
            [("train", "a.png"), ("train", "b.jpg"), ("val", "c.png"), ("test", "d.PNG")]
        ):
            values = np.random.default_rng(seed).integers(0, 2, SIZE)
            values[0, :4] = 255
            image = root / split / "images" / name
            write_pair(image, (root / split / "labels" / name).with_suffix(".png"), values, seed)
        return {
            "name": "own",
            "type": "folder",
            "source": str(root),
            "size": list(SIZE),
            "train_split": "train",
            "classes": ["road", "car"],
            "options": {},
            **changes,
        }

    return make


def loaded_labels(settings: dict, manifest: dict, split: str) -> list[np.ndarray]:
    """Load the labels of a split like training does."""
    config = split_configs(settings, Path(manifest["root"]))[split]
    dataset = DATASETS.build({**config, "pipeline": []})
    return [LoadAnnotations().transform(dataset[index])["gt_seg_map"] for index in range(len(dataset))]


def test_manifest_counts_what_training_loads(folder_settings, tmp_path):
    settings = folder_settings(palette=[[1, 2, 3], [4, 5, 6]])
    prepare(settings, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert manifest["root"] == settings["source"]
    assert {key: manifest[key] for key in ("dataset", "type", "classes", "palette", "size")} == {
        "dataset": "own",
        "type": "folder",
        "classes": ["road", "car"],
        "palette": [[1, 2, 3], [4, 5, 6]],
        "size": list(SIZE),
    }
    for split, images in (("train", 2), ("val", 1), ("test", 1)):
        labels = loaded_labels(settings, manifest, split)
        summary = manifest["splits"][split]
        assert summary["images"] == len(labels) == images
        assert summary["pixels"] == [sum(int((label == c).sum()) for label in labels) for c in (0, 1)]
        centers = [label[4::8, 4::8] for label in labels]
        assert summary["pixels_eighth"] == [sum(int((label == c).sum()) for label in centers) for c in (0, 1)]
    assert manifest["notes"] == ["layout: images and label pictures in folders"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset.json", "files.csv", "samples.jpg"]


def test_ignored_values_are_loaded_as_255(folder_settings, tmp_path):
    settings = folder_settings(ignore=[200, 255])
    label = tmp_path / "own" / "train" / "labels" / "a.png"
    values = np.asarray(Image.open(label)).copy()
    values[1] = 200
    Image.fromarray(values).save(label)
    prepare(settings, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert (loaded_labels(settings, manifest, "train")[0][1] == 255).all()
    assert sum(manifest["splits"]["train"]["pixels"]) == 2 * SIZE[0] * SIZE[1] - 8 - SIZE[1]


def test_root_below_the_working_directory_is_relative(folder_settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in ("own", str(tmp_path / "own")):
        prepare(folder_settings(source=source), tmp_path / "out")
        assert read_manifest(tmp_path / "out" / "dataset.json")["root"] == "own"


def digest(settings, out) -> str:
    prepare(settings, out)
    return json.loads((out / "dataset.json").read_text())["digest"]


def test_digest_depends_on_the_files_only(folder_settings, tmp_path):
    settings = folder_settings()
    first = digest(settings, tmp_path / "out")
    (tmp_path / "own").rename(tmp_path / "moved")
    assert digest(settings | {"source": str(tmp_path / "moved")}, tmp_path / "other") == first
    image = tmp_path / "moved" / "val" / "images" / "c.png"
    picture = Image.open(image)
    picture.load()
    picture.putpixel((0, 0), (1, 2, 3))
    picture.save(image)
    changed = digest(settings | {"source": str(tmp_path / "moved")}, tmp_path / "out")
    assert changed != first
    image.rename(image.with_name("e.png"))
    label = tmp_path / "moved" / "val" / "labels" / "c.png"
    label.rename(label.with_name("e.png"))
    assert digest(settings | {"source": str(tmp_path / "moved")}, tmp_path / "out") not in (first, changed)


def test_digest_depends_on_the_split(tmp_path):
    nothing = np.zeros(2)
    pair = CheckedPair(tmp_path / "a.png", tmp_path / "b.png", "1", "2", (1, 1), 1, nothing, nothing, 0, nothing)
    assert files_digest({"train": [pair]}, tmp_path) != files_digest({"val": [pair]}, tmp_path)


def test_missing_test_split_and_shared_frames_are_noted(folder_settings, tmp_path):
    settings = folder_settings()
    for kind in ("images", "labels"):
        (tmp_path / "own" / "test" / kind).rename(tmp_path / f"away-{kind}")
    (tmp_path / "own" / "test").rmdir()
    image = (tmp_path / "own" / "train" / "images" / "a.png").read_bytes()
    (tmp_path / "own" / "val" / "images" / "c.png").write_bytes(image)
    prepare(settings, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert manifest["splits"]["test"] is None
    assert manifest["notes"][-1] == "no labeled test split: results are measured on val"
    assert [line for line in manifest["warnings"] if "both" in line] == [
        "1 image is in both train and val, such as a.png: remove them from one, or scores look better than they are"
    ]


def remove(path: str):
    return lambda root: (root / path).unlink()


def overwrite(path: str, array: np.ndarray):
    return lambda root: Image.fromarray(array).save(root / path)


def repeat_stem(root: Path) -> None:
    write_pair(root / "train" / "images" / "a.jpg", root / "unused.png", np.zeros(SIZE))


def empty_val(root: Path) -> None:
    for path in (root / "val").rglob("c.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (remove("train/labels/a.png"), r"1 of 4 images in .* without a label: train/images/a.png"),
        (remove("train/images/a.png"), r"1 of 4 labels in .* without an image: train/labels/a.png"),
        (empty_val, r"has the splits test, train; draw them"),
        (lambda root: (root / "val").rename(root / "other"), r"in none of the splits|has the splits|without a split"),
        (lambda root: (root / "val" / "labels").rename(root / "away"), r"without a label: val/images/c.png"),
        (overwrite("val/labels/c.png", np.full(SIZE, 2, np.uint8)), r"hold 2 .* first in .*val/labels/c.png"),
        (overwrite("val/labels/c.png", np.full((*SIZE, 3), (9, 0, 9), np.uint8)), r"color pictures .*label_map"),
        (overwrite("val/labels/c.png", np.zeros((8, 8), np.uint8)), r"c.png is 32x64 but its label .*c.png is 8x8"),
        (lambda root: (root / "test/images/d.PNG").write_bytes(b"\x89PNG"), r"d.PNG is not a .* a damaged or unsupp"),
        (repeat_stem, r"a.jpg and a.png would share one label; remove one"),
    ],
)
def test_invalid_data_are_refused_and_leave_no_manifest(damage, match, folder_settings, tmp_path):
    settings = folder_settings()
    prepare(settings, tmp_path / "out")
    damage(tmp_path / "own")
    with pytest.raises(UserError, match=match) as caught:
        prepare(settings, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []  # the earlier manifest is removed too


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"options": {"count": 3}}, "unknown options count; type folder has the options max_bytes, max_files, sha256"),
        ({"type": "prepare"}, "unknown dataset type 'prepare'"),
        ({"source": None}, "needs a source"),
        ({"classes": []}, "labels hold the values 0, 1; name them: classes:"),
    ],
)
def test_invalid_settings_are_refused(change, match, folder_settings, tmp_path):
    with pytest.raises(UserError, match=match):
        prepare(folder_settings() | change, tmp_path / "out")


def test_full_disk(folder_settings, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    settings = folder_settings()
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"could not write .*dataset.json: No space left on device"):
        prepare(settings, tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()


DATASET = "dict(type='{name}', data_prefix=dict(img_path='i/{split}', seg_map_path='l/{split}'){more})"
TYPE = f"{{split}}_dataloader = dict(dataset={DATASET})\n"


def add_type(tmp_path: Path, dataset_class: str, more: str = "") -> dict:
    """Add the type `toy`, which has no module, to the working directory, with one frame per split; return settings."""
    folder = tmp_path / "config/mmseg/_base_/datasets"
    folder.mkdir(parents=True)
    text = "".join(TYPE.format(split=split, name=dataset_class, more=more) for split in ("train", "val"))
    (folder / "toy.py").write_text(text)
    for seed, split in enumerate(("train", "val")):
        values = np.ones(SIZE)
        values[0] = 2
        write_pair(tmp_path / f"raw/i/{split}/x.jpg", tmp_path / f"raw/l/{split}/x.png", values, seed)
    config = complete({"datasets": {"mine": {"type": "toy", "source": "raw", "size": list(SIZE)}}})
    return for_dataset(config, "mine")["dataset"]


def test_one_file_adds_any_dataset_of_mmseg(tmp_path, monkeypatch):
    """From the experiment's configuration to the manifest and the labels of training, with no code but the config."""
    monkeypatch.chdir(tmp_path)
    settings = add_type(tmp_path, "ADE20KDataset")  # whose classes start at 1: label 0 is ignored
    prepare(settings, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert manifest["splits"]["train"]["pixels"][:3] == [(SIZE[0] - 1) * SIZE[1], SIZE[1], 0]
    assert (loaded_labels(settings, manifest, "train")[0][1:] == 0).all()


@pytest.mark.parametrize(("dataset_class", "more"), [("NoSuchDataset", ""), ("ADE20KDataset", ", color=3")])
def test_invalid_types_are_refused(dataset_class, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"mmseg cannot build {dataset_class}"):
        prepare(add_type(tmp_path, dataset_class, more), tmp_path / "out")


def test_a_type_without_class_names_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dataset mine: type toy names no classes; add metainfo to its file"):
        prepare(add_type(tmp_path, "BaseSegDataset"), tmp_path / "out")


@pytest.mark.parametrize(("content", "match"), [(None, "Failed to load"), (b"\xff", "codec can't decode")])
def test_a_list_of_names_that_cannot_be_read_is_one_line(content, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = add_type(tmp_path, "ADE20KDataset", ", ann_file='names.txt'")
    if content is not None:
        (tmp_path / "raw/names.txt").write_bytes(content)
    with pytest.raises(UserError, match=f"split train of .*raw cannot be listed: .*{match}"):
        prepare(settings, tmp_path / "out")


def test_a_list_of_names_is_recorded(tmp_path, monkeypatch):
    """A changed list would make mmseg read other images."""
    monkeypatch.chdir(tmp_path)
    settings = add_type(tmp_path, "ADE20KDataset", ", ann_file='names.txt'")
    (tmp_path / "raw/names.txt").write_text("x\n")
    prepare(settings, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out/dataset.json")
    recorded = read_records(tmp_path / "out/dataset.json", manifest)
    names = ["i/train/x.jpg", "l/train/x.png", "names.txt", "i/val/x.jpg", "l/val/x.png", "names.txt"]
    assert [record.path for record in recorded] == names
    assert manifest["files"]["count"] == len(names)


def test_a_change_while_the_data_are_prepared_is_noticed(folder_settings, tmp_path, monkeypatch):
    settings = folder_settings()
    image = tmp_path / "own/val/images/c.png"
    check = prepare_module.check_pairs

    def change_then_check(*arguments):
        checked = check(*arguments)
        os.utime(image, ns=(0, 0))
        image.write_bytes(image.read_bytes() + b" ")
        return checked

    monkeypatch.setattr(prepare_module, "check_pairs", change_then_check)
    prepare(settings, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out/dataset.json")
    (changed,) = changed_files(Path(manifest["root"]), read_records(tmp_path / "out/dataset.json", manifest))
    assert changed.path == image


class FakeDataset:
    metainfo: ClassVar = {"classes": ("a", "b", "c")}

    def __init__(self, reduce_zero_label: bool, label_map: dict | None):
        self.reduce_zero_label, self.label_map = reduce_zero_label, label_map


@pytest.mark.parametrize("reduce_zero_label", [False, True])
@pytest.mark.parametrize("label_map", [None, {0: 2, 1: 255, 2: 0}, {9: 255}])
def test_label_table_matches_labels_loaded_by_mmseg(reduce_zero_label, label_map, tmp_path):
    values = np.arange(256, dtype=np.uint8)[None]
    Image.fromarray(values).save(tmp_path / "label.png")
    loaded = LoadAnnotations().transform(
        {
            "seg_map_path": str(tmp_path / "label.png"),
            "reduce_zero_label": reduce_zero_label,
            "label_map": label_map,
            "seg_fields": [],
        }
    )["gt_seg_map"]
    table = label_table(FakeDataset(reduce_zero_label, label_map))
    valid = table != INVALID
    assert np.array_equal(table[valid], loaded.ravel()[valid])
    assert (loaded.ravel()[~valid] >= 3).all()
    assert (table[valid] <= 2).sum() + (table[valid] == IGNORED).sum() == valid.sum()
    assert table[255] == IGNORED
