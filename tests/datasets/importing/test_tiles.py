"""Images that are cut into tiles: the tiles are the image, and the network sees whole images again in evaluation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strangers_data import CLASSES, Source, ids, picture

from ssr_mmseg import load, settings
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.datasets.importing.clean_copy import cut
from ssr_mmseg.datasets.importing.request import Tiles
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.deploy.predict import predict
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.export import ExportOptions, export_network
from ssr_mmseg.stages.prepare import prepare as prepare_stage
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

SIZE, LARGE = [32, 64], (75, 150)  # of tiles, and of images


@given(st.integers(1, 90), st.integers(1, 90), st.integers(8, 40), st.integers(0, 7))
def test_tiles_cover_each_pixel_with_its_own_color_and_class(height, width, side, overlap):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = np.random.default_rng(1).integers(0, 3, (height, width), dtype=np.uint8)
    seen = np.zeros((height, width), bool)
    for (top, left), tile, found in cut(pixels, labels, Tiles((side, side + 3), overlap)):
        assert tile.shape == (side, side + 3, 3)
        rows, columns = min(side, height - top), min(side + 3, width - left)
        assert np.array_equal(tile[:rows, :columns], pixels[top : top + rows, left : left + columns])
        assert np.array_equal(found[:rows, :columns], labels[top : top + rows, left : left + columns])
        assert (found[rows:] == 255).all()
        assert (found[:, columns:] == 255).all(), "padding is not learned from"
        seen[top : top + rows, left : left + columns] = True
    assert seen.all()


def configuration(source: Path, **changes) -> dict:
    entry = {"type": "folder", "source": str(source), "size": SIZE, "classes": CLASSES, "tiles": {"overlap": 8}}
    return settings.complete(
        {
            "device": "cpu",
            "networks": ["fast_scnn"],
            "datasets": {"large": {**entry, **changes}},
            "retrain": {"epochs": 1, "min_steps": 1, "batch_size": 4},
            "evaluate": {"frames": 1},
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A working directory in which a network was trained on tiles and evaluated on whole images; its configuration."""
    folder = tmp_path_factory.mktemp("tiles")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Source(folder / "data").write(size=LARGE)
        config = configuration(folder / "data")
        prepare_stage(config, "large")
        retrain(config, "large", 0, "fast_scnn")
        evaluate(config, "large", 0, "fast_scnn")
        yield folder, config


def test_training_has_tiles_and_evaluation_whole_images(trained):
    folder, _ = trained
    manifest = read_manifest(folder / "results/large/prepare/dataset.json")
    assert manifest["tiles"] == {"size": SIZE, "overlap": 8}
    assert manifest["splits"]["train"]["images"] == 6 * 3 * 3  # starts 0, 24 and 43; 0, 56 and 86
    assert manifest["splits"]["train"]["sizes"] == [{"size": SIZE, "images": 54}]
    assert "images are cut into tiles of 32x64 with an overlap of 8 pixels" in manifest["notes"]
    assert manifest["warnings"] == []
    evaluation = read_json(folder / "results/large/seed0/evaluate/fast_scnn/evaluation.json")
    assert evaluation["val"]["images"] == evaluation["test"]["images"] == 5
    (drawn,) = (folder / "results/large/seed0/evaluate/fast_scnn/predictions").glob("val_*.png")
    assert Image.open(drawn).size == (3 * LARGE[1], LARGE[0])


def test_the_evaluation_is_that_of_the_predictions_on_whole_images(trained):
    folder, _ = trained
    network = load(folder / "results/large/seed0/retrain/fast_scnn")
    both = np.zeros((3, 3), int)
    for path in sorted((folder / "data/val/images").glob("*.png")):
        labels = np.asarray(Image.open(folder / "data/val/labels" / path.name))
        found = network.predict(path)
        assert found.shape == LARGE
        np.add.at(both, (labels[labels < 255], found[labels < 255]), 1)
    iou = [100 * both[c, c] / (both[c].sum() + both[:, c].sum() - both[c, c]) for c in range(3)]
    measured = read_json(folder / "results/large/seed0/evaluate/fast_scnn/evaluation.json")["val"]["iou"]
    assert [measured[name] for name in CLASSES] == pytest.approx(iou, abs=1e-3)


def test_predictions_are_those_of_mmsegs_slide_mode(trained):
    folder, _ = trained
    network = load(folder / "results/large/seed0/retrain/fast_scnn")
    segmentor = network.segmentor
    assert segmentor.test_cfg["mode"] == "slide"
    image = picture(77, LARGE)
    tensor = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
    batch = segmentor.data_preprocessor({"inputs": [tensor], "data_samples": None}, False)["inputs"]
    about = [{"img_shape": LARGE, "ori_shape": LARGE}]
    with torch.no_grad():  # the network has hardly learned: shift its logits so that it predicts every class
        segmentor.decode_head.conv_seg.bias -= segmentor.slide_inference(batch, about).mean(dim=(0, 2, 3))
        logits = segmentor.slide_inference(batch, about)
    found = network.predict(image)
    assert len(np.unique(found)) > 1
    assert np.array_equal(found, logits[0].argmax(0).numpy())


@pytest.mark.parametrize("head", ["labels", "logits"])
def test_the_exported_network_slides_its_window_too(head, trained, tmp_path):
    folder, config = trained
    export_network(config, "large", 0, "fast_scnn", tmp_path / "net.onnx", ExportOptions(head, None, False, 1))
    cv2.imwrite(str(tmp_path / "a.png"), picture(77, LARGE)[..., ::-1])
    exported, network = load(tmp_path / "net.onnx"), load(folder / "results/large/seed0/retrain/fast_scnn")
    found, expected = (one.predict(tmp_path / "a.png") for one in (exported, network))
    assert found.shape == LARGE
    agreement = (found == expected).mean()
    assert agreement > (0.999 if head == "logits" else 0.8), "labels are stitched, logits averaged"
    (overlay,) = predict(tmp_path / "net.onnx", [tmp_path / "a.png"], tmp_path / "out")
    assert Image.open(overlay).size == LARGE[::-1]


def test_tiles_without_a_labeled_pixel_are_left_out(tmp_path):
    source = Source(tmp_path / "data").write(size=LARGE)
    for path in (source.root / "train/labels").glob("*.png"):
        labels = ids(1, LARGE)
        labels[:40] = 255
        Image.fromarray(labels).save(path)
    entry = settings.for_dataset(configuration(source.root), "large")["dataset"]
    prepare(entry, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out/dataset.json")
    assert manifest["splits"]["train"]["images"] == 6 * 2 * 3


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ({"size": [32, 32], "overlap": 4}, r"tiles.size is \[32, 32\], expected \[32, 64\], the dataset's size"),
        ({"overlap": 20}, "tiles.overlap is 20, expected at most half of the tile's 32 pixels"),
        ({"size": [32, 64]}, "tiles.overlap is 64, expected at most half of the tile's 32 pixels"),
        ({}, "tiles.overlap is 64, expected at most half of the tile's 32 pixels"),
        ({"overlap": -1}, "tiles.overlap: expected an integer"),
        ({"stride": 4}, "unknown key stride"),
    ],
)
def test_invalid_tiles_are_refused(tiles, message, tmp_path):
    with pytest.raises(UserError, match=message):
        configuration(tmp_path, tiles=tiles)
