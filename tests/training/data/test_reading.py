"""A file that changes during a training or an evaluation is named in one line."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_files import SIZE, write_pair
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image
from torch.utils.data import DataLoader

from ssr_mmseg.training.data.device_loader import ResidentLoader
from ssr_mmseg.training.data.reading import CheckedPipeline, DataError, check_reading
from ssr_mmseg.training.data.seeded_dataset import SeededDataset
from ssr_mmseg.utils.errors import UserError

TRAIN = ["LoadImageFromFile", "LoadAnnotations", "AlignedResize", "PackSegInputs"]
EVALUATION = ["LoadImageFromFile", "AlignedResize", "LoadAnnotations", "PackSegInputs"]


def config(root: Path, steps: list[str] = TRAIN, **first) -> dict:
    """Return the config of a dataset with two images."""
    for number, suffix in enumerate((".png", ".jpg")):
        write_pair(root / f"images/{number}{suffix}", root / f"labels/{number}.png", np.ones(SIZE), number)
    size = {"AlignedResize": {"scale": (32, 32), "keep_ratio": False}}
    pipeline = [{"type": step, **size.get(step, {})} for step in steps]
    pipeline[0] |= first
    return {
        "type": "FolderDataset",
        "data_root": str(root),
        "data_prefix": {"img_path": "images", "seg_map_path": "labels"},
        "metainfo": {"classes": ["a", "b"], "palette": [[0, 0, 0], [1, 1, 1]]},
        "pipeline": pipeline,
    }


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope("mmseg")


def garbage(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(300))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def other_size(path: Path) -> None:
    Image.open(path).resize((16, 16)).save(path)


def other_mode(path: Path) -> None:
    Image.open(path).convert("RGB").save(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


IMAGE, JPEG, LABEL = "images/0.png", "images/1.jpg", "labels/0.png"
DAMAGES = [
    (IMAGE, garbage, "image {} cannot be decoded; it was sound when the data were prepared; restore it"),
    (JPEG, garbage, "image {} cannot be decoded"),
    (LABEL, garbage, "label {} cannot be decoded"),
    (IMAGE, empty, "image {} cannot be decoded"),
    (LABEL, empty, "label {} cannot be decoded"),
    (LABEL, cut, "label {} cannot be decoded"),
    (LABEL, other_size, "but its label {} is 16x16; they had one size when the data were prepared"),
    (IMAGE, other_size, "image {} is 16x16 but its label"),
    (LABEL, other_mode, "label {} has pixels of mode RGB, expected one 8-bit channel"),
    (IMAGE, Path.unlink, "could not read image {}: no such file; put it back, then run again to resume"),
    (LABEL, Path.unlink, "could not read label {}: no such file"),
    (LABEL, a_folder, "could not read label {}: no such file"),
]


@pytest.mark.parametrize("steps", [TRAIN, EVALUATION])
@pytest.mark.parametrize(("name", "damage", "expected"), DAMAGES)
def test_the_error_names_the_file(tmp_path, steps, name, damage: Callable, expected):
    dataset = check_reading(DATASETS.build(config(tmp_path, steps)))
    assert dataset[0]["inputs"].shape == (3, 32, 32)
    damage(tmp_path / name)
    with pytest.raises(DataError) as raised:
        [dataset[0], dataset[1]]
    assert expected.format(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_image_is_never_replaced_by_another_one(tmp_path):
    """A pipeline may ignore images that cannot be read; mmseg then draws another sample."""
    dataset = check_reading(DATASETS.build(config(tmp_path, ignore_empty=True)))
    empty(tmp_path / IMAGE)
    with pytest.raises(DataError, match=r"0\.png cannot be decoded"):
        dataset[0]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("seeded", [False, True])
def test_loader_processes_report_one_line(tmp_path, workers, seeded):
    dataset = check_reading(DATASETS.build(config(tmp_path)))
    garbage(tmp_path / LABEL)
    loader = DataLoader(SeededDataset(dataset, 0) if seeded else dataset, num_workers=workers, collate_fn=list)
    with pytest.raises(UserError) as raised:
        list(loader)
    assert str(raised.value).startswith(f"label {tmp_path / LABEL} cannot be decoded; ")
    assert "\n" not in str(raised.value)


def test_a_loader_that_holds_the_data_reports_one_line(tmp_path):
    dataset = check_reading(DATASETS.build(config(tmp_path)))
    empty(tmp_path / IMAGE)
    with pytest.raises(DataError, match="cannot be decoded"):
        ResidentLoader(dataset, 1)


def test_datasets_within_datasets_are_checked_once(tmp_path):
    joined = {"type": "ConcatDataset", "datasets": [config(tmp_path / name) for name in "ab"]}
    dataset = check_reading(check_reading(DATASETS.build({"type": "RepeatDataset", "times": 2, "dataset": joined})))
    pipelines = [inner.pipeline for inner in dataset.dataset.datasets]
    assert [type(pipeline) for pipeline in pipelines] == [CheckedPipeline] * 2
    assert not any(isinstance(step, CheckedPipeline) for pipeline in pipelines for step in pipeline.transforms)
    empty(tmp_path / "b" / IMAGE)
    with pytest.raises(DataError, match=r"b/images/0\.png"):
        dataset[2]


def test_an_error_of_the_pipeline_itself_is_not_blamed_on_the_files(tmp_path):
    dataset = check_reading(DATASETS.build(config(tmp_path, ["LoadImageFromFile", "PackSegInputs"], color_type="none")))
    with pytest.raises(KeyError, match="none"):
        dataset[0]


def test_a_label_that_the_pipeline_itself_scales_is_accepted(tmp_path):
    class Halve:
        def __call__(self, data: dict) -> dict:
            return data | {"ori_shape": (1, 1)}

    dataset = check_reading(DATASETS.build(config(tmp_path)))
    dataset.pipeline.transforms.insert(1, Halve())
    assert dataset[0]["inputs"].shape == (3, 32, 32)
