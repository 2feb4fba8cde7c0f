import io
import re

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ssr_mmseg.datasets.preparation import similarity
from ssr_mmseg.datasets.preparation.similarity import (
    SamePictures,
    SharedSequence,
    fingerprint,
    near_duplicates,
    shared_sequences,
)

SIZE = (360, 240)  # width and height


def picture(seed, width=SIZE[0]):
    """A smooth random picture with finer texture."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(noise.astype(np.uint8)).resize((width, SIZE[1]), Image.Resampling.BICUBIC))
        for noise in (rng.integers(60, 200, (5, 7 * width // SIZE[0])), rng.integers(0, 50, (40, width // 6)))
    ]
    gray = np.sum(layers, axis=0, dtype=int).clip(0, 255)
    return Image.fromarray(np.stack([gray, gray * 0.9, gray * 0.8], axis=2).astype(np.uint8))


def video(seed, frames, step=8):
    """Crops that move over a wide picture, as from a driving camera."""
    wide = picture(seed, SIZE[0] + step * frames)
    return [wide.crop((step * index, 0, step * index + SIZE[0], SIZE[1])) for index in range(frames)]


def recompress(photo, quality=30):
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file)


def watermark(photo, corner):
    photo, width, height = photo.copy(), photo.width // 4, photo.height // 8
    right, bottom = corner
    box = (right * (photo.width - width), bottom * (photo.height - height))
    photo.paste(Image.new("RGB", (width, height), "white"), box)
    return photo


def prints(photos):
    return np.stack([fingerprint(photo) for photo in photos])


def duplicates(train, val):
    """Return the pairs of names that are found."""
    photos = {"train": train, "val": val}
    names = {split: [f"{split}{index}" for index in range(len(photos[split]))] for split in photos}
    findings = near_duplicates({split: prints(photos[split]) for split in photos}, names)
    return [pair for finding in findings for pair in finding.pairs]


CHANGES = {
    "recompressed": recompress,
    "half the size": lambda photo: photo.resize((180, 120), Image.Resampling.BICUBIC),
    "another shape": lambda photo: photo.resize((500, 241), Image.Resampling.BILINEAR),
    "brightened": lambda photo: ImageEnhance.Brightness(photo).enhance(1.1),
    "darkened": lambda photo: ImageEnhance.Brightness(photo).enhance(0.8),
    "gray": lambda photo: photo.convert("L"),
    "palette": lambda photo: photo.quantize(200),
    "alpha": lambda photo: photo.convert("RGBA"),
    "watermark on the left": lambda photo: watermark(photo, (0, 0)),
    "watermark on the right": lambda photo: watermark(photo, (1, 1)),
    "all": lambda photo: recompress(watermark(ImageEnhance.Brightness(photo.resize((200, 150))).enhance(1.1), (1, 1))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_copies_are_found_among_other_pictures(change):
    photos = [picture(seed) for seed in range(12)]
    changed = [change(photo) for photo in photos[3:6]]
    expected = [("train3", "val0"), ("train4", "val1"), ("train5", "val2")]
    assert duplicates(photos, [*changed, picture(99)]) == expected
    assert duplicates([*changed, picture(99)], photos) == [(f"train{k}", f"val{3 + k}") for k in range(3)]


def test_other_pictures_are_no_duplicates():
    assert duplicates([picture(seed) for seed in range(150)], [picture(seed) for seed in range(150, 300)]) == []


def test_frames_of_a_driving_camera_are_no_duplicates():
    frames = video(0, 40)
    assert duplicates(frames[::2], frames[1::2]) == []


@pytest.mark.parametrize("where", [(40, 120), (150, 100), (290, 60)])
def test_a_fixed_camera_that_sees_something_move_shows_another_picture(where):
    scene, later = picture(0), picture(0)
    later.paste(Image.new("RGB", (40, 30), "black"), where)
    scene.paste(Image.new("RGB", (40, 30), "black"), (100, 180))
    assert duplicates([scene], [recompress(later, 90)]) == []


def test_flat_images_are_no_duplicates():
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(100, 103, (240, 360, 3), dtype=np.uint8)) for _ in range(4)]
    colors = [Image.new("RGB", SIZE, color) for color in ("black", "white", "gray", "white")]
    logo = [watermark(Image.new("RGB", SIZE, "black"), (1, 1)) for _ in range(2)]  # the same logo says nothing
    flat = [*noise, *colors, *logo]
    assert duplicates(flat[::2], flat[1::2]) == []
    assert shared_sequences({"a": ["x_1"], "b": ["x_2"]}, {"a": prints(flat[:1]), "b": prints(flat[1:2])}) == []


def test_duplicates_of_three_splits_and_empty_ones():
    same, other = prints([picture(0)]), prints([picture(1)])
    splits = {"train": np.concatenate([other, same, same]), "val": same, "test": same[:0]}
    names = {"train": ["b.png", "c.png", "a.png"], "val": ["v.jpg"], "test": []}
    assert near_duplicates(splits, names) == [SamePictures(("train", "val"), (("a.png", "v.jpg"), ("c.png", "v.jpg")))]
    assert near_duplicates(dict.fromkeys(names, same[:0]), {split: [] for split in names}) == []


def test_many_similar_images_are_compared_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(similarity, "NEAREST", 2)
    assert len(duplicates([picture(0)] * 5, [picture(0)])) == 2


def test_sixteen_bit_images_have_the_fingerprint_of_eight_bits():
    gray = picture(0).convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert fingerprint(deep) == pytest.approx(fingerprint(gray), abs=1)
    assert fingerprint(gray).shape == (32, 36)
    assert fingerprint(gray).dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (36, 32)])
def test_any_size_has_a_fingerprint(size):
    assert fingerprint(Image.new("RGB", size)).shape == (32, 36)


def findings(photos, keys, splits):
    """Return the findings for images with these keys and splits."""
    members = {split: [index for index, one in enumerate(splits) if one == split] for split in dict.fromkeys(splits)}
    return shared_sequences(
        {split: [keys[index] for index in some] for split, some in members.items()},
        {split: prints([photos[index] for index in some]) for split, some in members.items()},
    )


def random_splits(count, seed=0):
    return np.random.default_rng(seed).choice(["train", "val", "test"], count, p=[0.6, 0.2, 0.2]).tolist()


def test_videos_that_were_split_at_random_are_reported():
    photos = [frame for seed in range(3) for frame in video(seed, 40)]
    keys = [f"drive{seed}_{30 * index:05d}" for seed in range(3) for index in range(40)]
    found = findings(photos, keys, random_splits(120))
    assert [finding.sequence for finding in found] == ["drive0", "drive1", "drive2"]
    for finding in found:
        assert sum(finding.frames.values()) == 40
        assert set(finding.frames) == {"train", "val", "test"}
        first, second = (int(key.split("_")[1]) for key in finding.example)
        assert abs(first - second) == 30


def test_a_single_video_is_reported():
    assert len(findings(video(0, 60), [f"{index:05d}" for index in range(60)], random_splits(60))) == 1


def test_only_the_splits_that_share_frames_are_named():
    photos = [frame for seed in range(3) for frame in video(seed, 40)]
    keys = [f"drive{seed}/{index}" for seed in range(3) for index in range(40)]
    splits = ["train", "val"] * 20 + ["train"] * 40 + ["test"] * 40
    (finding,) = findings(photos, keys, splits)
    assert finding.sequence == "drive0"
    assert finding.frames == {"train": 20, "val": 20}


def test_videos_that_were_kept_whole_are_not_reported():
    photos = [frame for seed in range(3) for frame in video(seed, 30)]
    keys = [f"drive{seed}_{index:05d}" for seed in range(3) for index in range(30)]
    assert findings(photos, keys, ["train"] * 30 + ["val"] * 30 + ["test"] * 30) == []


@pytest.mark.parametrize("name", ["{:04d}", "img_{:04d}", "{0}/{0}", "clip{1}_{0}", "trip{2}_{0}"])
@pytest.mark.parametrize("seed", range(3))
def test_numbered_independent_pictures_are_not_reported(name, seed):
    photos = [picture(1000 * seed + index) for index in range(150)]
    keys = [name.format(index, index // 2, index // 30) for index in range(150)]
    for splits in random_splits(150, seed), ["train"] * 90 + ["val"] * 30 + ["test"] * 30:
        assert findings(photos, keys, splits) == []


def test_independent_pictures_of_one_place_are_not_reported():
    """Pictures of a folder resemble one another, whatever their numbers."""
    photos = [Image.blend(picture(index // 50), picture(1000 + index), 0.45) for index in range(150)]
    keys = [f"place{index // 50}/{index % 50:03d}" for index in range(150)]
    assert findings(photos, keys, random_splits(150)) == []


def test_clips_of_two_frames_are_judged_together():
    photos = [frame for seed in range(20) for frame in video(seed, 2)]
    keys = [f"clip{seed:02d}_{index}" for seed in range(20) for index in range(2)]
    assert len(findings(photos, keys, ["train", "val"] * 20)) == 20
    assert findings(photos[:4], keys[:4], ["train", "val"] * 2) == []  # too few to tell


def test_fixed_cameras_are_reported():
    rng = np.random.default_rng(0)
    photos, keys = [], []
    for camera in range(3):
        for index in range(30):
            photo = picture(camera)
            photo.paste(Image.new("RGB", (60, 50), "black"), tuple(int(x) for x in rng.integers(0, 190, 2)))
            photos.append(photo)
            keys.append(f"camera{camera}/{index}")
    assert len(findings(photos, keys, random_splits(90))) == 3


def test_images_without_numbers_and_no_images():
    photos = [picture(seed) for seed in range(6)]
    assert findings(photos, ["oslo", "rome", "bern", "lima", "kyiv", "riga"], ["train", "val"] * 3) == []
    assert shared_sequences({"train": [], "val": []}, {"train": prints(photos)[:0], "val": prints(photos)[:0]}) == []


def test_messages():
    one = SamePictures(("train", "val"), (("a.jpg", "b.png"),))
    assert one.message == (
        "train and val show the same picture: a.jpg and b.png; remove one of them, or scores look better than they are"
    )
    two = SamePictures(("val", "test"), (("a.jpg", "b.png"), ("c.jpg", "d.png")))
    assert "a.jpg and b.png, and 1 more pair; remove one of each, or" in two.message
    four = SamePictures(("val", "test"), (("a.jpg", "b.png"),) * 4)
    assert "a.jpg and b.png, and 3 more pairs; remove" in four.message
    shared = SharedSequence("0016E5", {"train": 204, "val": 101, "test": 7}, ("0016E5_08190", "0016E5_08159"))
    assert re.fullmatch(
        r"train \(204\), val \(101\) and test \(7\) have frames of the same sequence 0016E5, such as 0016E5_08190 and "
        r"0016E5_08159; keep it in one split, or scores look better than they are",
        shared.message,
    )
