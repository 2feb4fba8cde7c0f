import json
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_files import SIZE, write_pair
from PIL import Image

from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.utils.errors import UserError

ROAD = [[0, 16], [64, 16], [64, 32], [0, 32]]
CAR = [[8, 20], [15, 20], [15, 27], [8, 27]]


def settings(kind: str, root: Path) -> dict:
    return {
        "name": kind,
        "type": kind,
        "source": str(root),
        "size": list(SIZE),
        "train_split": "train",
        "options": {},
    }


def write_polygons(path: Path, objects: list, size: tuple[int, int] = SIZE) -> None:
    content = {
        "imgHeight": size[0],
        "imgWidth": size[1],
        "objects": [{"label": label, "polygon": polygon} for label, polygon in objects],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def miniature(tmp_path):
    """Write the official layout with one frame per split, annotated by polygons only."""
    root = tmp_path / "cityscapes"
    for seed, (split, city) in enumerate([("train", "aachen"), ("val", "munster"), ("test", "berlin")]):
        frame = f"{city}_000000_000019"
        image = root / "leftImg8bit" / split / city / f"{frame}_leftImg8bit.png"
        labels = root / "gtFine" / split / city
        write_pair(image, labels / f"{frame}_gtFine_labelIds.png", np.zeros(SIZE), seed)
        objects = [("road", ROAD), ("car", CAR), ("ego vehicle", [[0, 30], [64, 30], [64, 32], [0, 32]])]
        write_polygons(labels / f"{frame}_gtFine_polygons.json", objects)
    return root


def test_labels_are_drawn_from_polygons(miniature, tmp_path):
    prepare(settings("cityscapes", miniature), tmp_path / "out")
    label = miniature / "gtFine" / "train" / "aachen" / "aachen_000000_000019_gtFine_labelTrainIds.png"
    values = np.asarray(Image.open(label))
    assert values[:16].min() == 255  # not annotated
    assert values[18, 40] == 0  # road
    assert values[24, 10] == 13  # car
    assert values[31, 5] == 255  # ego vehicle: annotated, not evaluated
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert len(manifest["classes"]) == len(manifest["palette"]) == 19
    assert manifest["splits"]["train"]["pixels"] == [int((values == c).sum()) for c in range(19)]
    assert manifest["splits"]["test"] is None
    assert "train has 1 images; the official release has 2975" in manifest["notes"]
    assert not list((miniature / "gtFine" / "test").rglob("*labelTrainIds.png"))


def test_existing_labels_are_kept_and_need_no_package(miniature, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cityscapesscripts.preparation.json2labelImg", None)
    with pytest.raises(UserError, match=r"labelTrainIds.png needs cityscapesscripts.*pip install"):
        prepare(settings("cityscapes", miniature), tmp_path / "out")
    for polygons in miniature.rglob("*_polygons.json"):
        label = polygons.with_name(polygons.name.replace("_polygons.json", "_labelTrainIds.png"))
        values = np.full(SIZE, 18, np.uint8)
        values[0] = 17
        Image.fromarray(values).save(label)
    prepare(settings("cityscapes", miniature), tmp_path / "out")
    pixels = read_manifest(tmp_path / "out" / "dataset.json")["splits"]["val"]["pixels"]
    assert pixels == [0] * 17 + [SIZE[1], (SIZE[0] - 1) * SIZE[1]]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not give imgHeight"),
        ('{"imgHeight": 100000, "imgWidth": 100000, "objects": []}', "declares 100000x100000 pixels"),
        ('{"imgHeight": 32, "imgWidth": 64}', "does not contain valid polygons"),
        (
            '{"imgHeight": 32, "imgWidth": 64, "objects": [{"label": "unicorn", "polygon": [[0, 0]]}]}',
            "is not in Cityscapes",
        ),
        (
            '{"imgHeight": 32, "imgWidth": 64, "objects": [{"label": "road", "polygon": [[0]]}]}',
            "not contain valid polygons",
        ),
        ('{"imgHeight": 16, "imgWidth": 64, "objects": []}', "is 32x64 but its label"),
    ],
)
def test_invalid_polygons_are_refused(content, match, miniature, tmp_path):
    polygons = miniature / "gtFine" / "val" / "munster" / "munster_000000_000019_gtFine_polygons.json"
    polygons.write_text(content)
    with pytest.raises(UserError, match=match):
        prepare(settings("cityscapes", miniature), tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_images_without_labels_are_refused(miniature, tmp_path):
    (miniature / "gtFine").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"no folder .* contains leftImg8bit/train and gtFine/train"):
        prepare(settings("cityscapes", miniature), tmp_path / "out")


def test_bdd100k_in_its_official_layout(tmp_path):
    for seed, split in enumerate(("train", "val")):
        base = tmp_path / "download" / "bdd100k"
        write_pair(
            base / f"images/10k/{split}/00d-1.jpg",
            base / f"labels/sem_seg/masks/{split}/00d-1.png",
            np.where(np.arange(64) < 16, 255, np.tile(np.arange(64) % 19, (32, 1))),
            seed,
        )
    prepare(settings("bdd100k", tmp_path / "download"), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert manifest["root"].endswith("bdd100k")
    assert sum(manifest["splits"]["train"]["pixels"]) == 32 * 48
    assert manifest["splits"]["test"] is None
    assert "val has 1 images; the official release has 1000" in manifest["notes"]
