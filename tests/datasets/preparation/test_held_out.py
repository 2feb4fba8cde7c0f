"""Validation on held-out sequences of train: what each split then has, and what is refused."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from dataset_files import SIZE, write_pair
from mmseg.registry import DATASETS

from ssr_mmseg.datasets import read_manifest, split_configs
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.settings.prepared_files import changed_files, read_records
from ssr_mmseg.utils.errors import UserError

SEQUENCES = {"train": ("a_001", "a_002", "b_7", "c_1", "c_2", "c_3"), "val": ("c_8", "c_9"), "test": ("d_1",)}


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder of the type `folder`, with three sequences in train."""
    for number, (split, names) in enumerate(SEQUENCES.items()):
        for name in names:
            labels = np.random.default_rng(number).integers(0, 2, SIZE)
            folder = tmp_path / "own" / split
            write_pair(
                folder / "images" / f"{name}.png", folder / "labels" / f"{name}.png", labels, zlib.crc32(name.encode())
            )
    return tmp_path / "own"


def settings(source: Path, **changes) -> dict:
    entry = {"name": "own", "type": "folder", "source": str(source), "size": list(SIZE), "classes": ["road", "car"]}
    return {**entry, "options": {}, **changes}


def read(entry: dict, out: Path) -> dict[str, list[str]]:
    """Prepare, and return the stems that training and evaluation read in each split."""
    prepare(entry, out)
    root = Path(read_manifest(out / "dataset.json")["root"])
    found = {}
    for split, config in split_configs(entry, root).items():
        dataset = DATASETS.build({**config, "pipeline": []})
        pairs = [
            (Path(dataset[index]["img_path"]), Path(dataset[index]["seg_map_path"])) for index in range(len(dataset))
        ]
        assert all(image.stem == label.stem and image.is_file() and label.is_file() for image, label in pairs)
        found[split] = [image.stem for image, _ in pairs]
    return found


def test_val_has_the_sequences_and_train_the_others(source, tmp_path):
    found = read(settings(source, hold_out=["a", "b"]), tmp_path / "out")
    assert found == {"train": ["c_1", "c_2", "c_3"], "val": ["a_001", "a_002", "b_7"], "test": ["d_1"]}
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert {split: entry["images"] for split, entry in manifest["splits"].items()} == {"train": 3, "val": 3, "test": 1}
    (note,) = [note for note in manifest["notes"] if "held out" in note]
    assert note == "val: 3 images of train in a, b, held out; the source's val is not used"


def test_another_choice_replaces_an_earlier_one(source, tmp_path):
    read(settings(source, hold_out=["a"]), tmp_path / "out")
    assert read(settings(source, hold_out=["c"]), tmp_path / "out")["train"] == ["a_001", "a_002", "b_7"]
    assert read(settings(source), tmp_path / "out")["val"] == ["c_8", "c_9"]
    assert not (tmp_path / "out" / "held_out").exists()


def test_a_folder_of_sequences_is_one_name(source, tmp_path):
    """As the cities of Cityscapes."""
    for part in ("images", "labels"):
        folder = source / "train" / part
        for name in ("a_001.png", "b_7.png"):
            (folder / "town").mkdir(exist_ok=True)
            (folder / name).rename(folder / "town" / name)
    assert read(settings(source, hold_out=["town"]), tmp_path / "out")["val"] == ["a_001", "b_7"]


def test_a_change_of_the_files_behind_the_links_is_noticed(source, tmp_path):
    entry = settings(source, hold_out=["a"])
    read(entry, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    records = read_records(tmp_path / "out" / "dataset.json", manifest)
    assert not changed_files(Path(manifest["root"]), records)
    (source / "train/images/a_001.png").write_bytes((source / "train/images/c_1.png").read_bytes())
    assert changed_files(Path(manifest["root"]), records)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hold_out": ["x"]}, r"hold_out names the sequence 'x'.*it has a \(2\), b \(1\), c \(3\)"),
        ({"hold_out": ["a", "b", "c"]}, "hold_out takes every image of train; leave at least one sequence"),
        ({"hold_out": ["a"], "tiles": {"size": list(SIZE), "overlap": 0}}, "hold_out and tiles cannot be combined"),
    ],
)
def test_what_cannot_be_held_out_is_refused(source, tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        prepare(settings(source, **changes), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "dataset.json").exists()
