import json

import numpy as np
import pytest
from PIL import Image

from ssr_mmseg.datasets.importing.layouts import labelme
from ssr_mmseg.datasets.importing.raw_label import BACKGROUND
from ssr_mmseg.utils.errors import UserError

HEIGHT, WIDTH = 12, 16


def polygon(label, *points, **other):
    return {"label": label, "shape_type": "polygon", "points": [list(point) for point in points], **other}


SQUARE = polygon("car", (2, 2), (9, 2), (9, 9), (2, 9))


def save(path, shapes, image=None, **other):
    """Write an annotation file for an image of its stem, or of another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.5", "flags": {}, "shapes": shapes, "imagePath": image or f"{path.stem}.png"}
    content |= {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH, **other}
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))


def save_images(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)


def listed(folder):
    """Return split, key and image of all pairs."""
    pairs, _ = labelme.read(folder)
    return [(pair.split, pair.key, pair.image.relative_to(folder).as_posix()) for pair in pairs]


def label(folder):
    """Return the class names of the only label, (H, W)."""
    (pair,), _ = labelme.read(folder)
    raw = pair.label.read()
    return np.array(raw.names)[raw.codes]


def test_files_next_to_their_images(tmp_path):
    for folder in ("train", "val/town"):
        save(tmp_path / folder / "a.json", [SQUARE])
        save_images(tmp_path / folder / "a.png")
    assert labelme.find(tmp_path) == [tmp_path / "train/a.json", tmp_path / "val/town/a.json"]
    assert listed(tmp_path) == [("train", "a", "train/a.png"), ("val", "town/a", "val/town/a.png")]


@pytest.mark.parametrize(
    ("annotation", "image_path", "image", "split", "key"),
    [
        ("labels/a.json", "../images/b.jpg", "images/b.jpg", None, "b"),
        ("labels/a.json", r"..\images\b.jpg", "images/b.jpg", None, "b"),
        ("labels/train/a.json", "../../images/train/a.jpg", "images/train/a.jpg", "train", "a"),
        ("labels/Test/a.json", "../../images/a.jpg", "images/a.jpg", "test", "a"),
        ("a.json", r"C:\Users\me\b.jpg", "a.png", None, "a"),  # of the computer where it was made
        ("a.json", "/home/me/b.jpg", "a.png", None, "a"),
        ("a.json", "missing.jpg", "a.JPG", None, "a"),
        ("a.json", "a.json", "a.png", None, "a"),
        ("a.json", "x\0.png", "a.png", None, "a"),
    ],
)
def test_the_image_is_the_named_one_or_that_of_the_same_stem(annotation, image_path, image, split, key, tmp_path):
    save(tmp_path / annotation, [SQUARE], image_path)
    save_images(tmp_path / image)
    assert listed(tmp_path) == [(split, key, image)]


@pytest.mark.parametrize("image_path", ["../b.png", "../../source/../b.png", r"..\b.png", "absolute"])
def test_images_outside_of_the_folder_are_never_read(image_path, tmp_path):
    outside = tmp_path / "b.png"
    save_images(outside)
    save(tmp_path / "source/a.json", [SQUARE], str(outside) if image_path == "absolute" else image_path)
    with pytest.raises(UserError, match=r"a.json has no image: expected its imagePath"):
        labelme.read(tmp_path / "source")


def test_shapes_are_drawn_in_their_order(tmp_path):
    save_images(tmp_path / "a.png")
    rectangle = {"label": "tree", "shape_type": "rectangle", "points": [[6, 11], [4, 0]]}
    circle = {"label": "sun", "shape_type": "circle", "points": [[5, 5], [5, 6]]}
    save(tmp_path / "a.json", [SQUARE, rectangle, circle])
    names = label(tmp_path)
    assert (names[:, 4:7] == "tree").sum() == 36 - (names == "sun").sum()
    assert (names == "car").sum() == 64 - 24
    assert names[5, 5] == "sun"
    assert 4 <= (names == "sun").sum() <= 9
    save(tmp_path / "a.json", [circle, rectangle, SQUARE])
    assert (label(tmp_path) == "car").sum() == 64


def test_names_are_those_of_all_files(tmp_path):
    for name, shapes in (("a", ["tree", "__ignore__"]), ("b", [BACKGROUND, "car"])):
        save(tmp_path / f"{name}.json", [SQUARE | {"label": shape} for shape in shapes])
        save_images(tmp_path / f"{name}.png")
    pairs, notes = labelme.read(tmp_path)
    assert notes == []
    raw = [pair.label.read() for pair in pairs]
    assert raw[0].names == raw[1].names == (BACKGROUND, "__ignore__", "car", "tree")
    assert [one.names[one.codes[5, 5]] for one in raw] == ["__ignore__", "car"]
    assert raw[1].codes[0, 0] == 0


def test_polygons_of_old_versions_have_no_type(tmp_path):
    save_images(tmp_path / "a.png")
    save(tmp_path / "a.json", [{key: SQUARE[key] for key in ("label", "points")}])
    assert (label(tmp_path) == "car").sum() == 64


def test_a_note_counts_images_without_shapes(tmp_path):
    save_images(tmp_path / "a.png")
    save(tmp_path / "a.json", [])
    assert labelme.read(tmp_path)[1] == ["1 images without a shape are background: a.png"]
    assert (label(tmp_path) == BACKGROUND).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (7, r"shapes\[1\] is 7, expected an object with label; correct the file"),
        ({}, r"shapes\[1\] has no label, expected text"),
        (SQUARE | {"label": 3}, r"shapes\[1\] has the label 3, expected text"),
        (SQUARE | {"label": ""}, r"shapes\[1\] has the label '', expected a printable name"),
        (SQUARE | {"label": "a\x1b"}, r"shapes\[1\] has the label 'a\\x1b', expected a printable name"),
        ({"label": "car"}, r"shapes\[1\] has no points, expected a list"),
        (SQUARE | {"points": {}}, r"shapes\[1\] has the points '{}', expected a list"),
        (polygon("car", (1, 2), (3, 4)), r"shapes\[1\] is a polygon of 2 points, expected at least 3; draw it again"),
        (polygon("car", (1, 2), (3, 4), (5,)), r"shapes\[1\] has the point '\[5\]', expected \[x, y\]"),
        (
            polygon("car", (1, 2), (3, 4), (5, None)),
            r"shapes\[1\] has the coordinate None, expected a number of pixels",
        ),
        (polygon("car", (1, 2), (3, 4), (5, 1e6)), r"shapes\[1\] has the coordinate 1000000.0, expected a number"),
        (SQUARE | {"shape_type": "rectangle"}, r"shapes\[1\] is a rectangle of 4 points, expected 2"),
        (SQUARE | {"shape_type": "circle"}, r"shapes\[1\] is a circle of 4 points, expected 2"),
        (SQUARE | {"shape_type": []}, r"has the shape_type '\[\]', expected polygon, rectangle or circle"),
        *(
            (
                SQUARE | {"shape_type": kind},
                rf"shapes\[1\], 'car', has the shape_type '{kind}', expected polygon, rectangle or circle; draw it as",
            )
            for kind in ("line", "point", "points", "linestrip", "mask")
        ),
    ],
)
def test_shapes_that_are_malformed_or_no_regions_are_refused(shape, message, tmp_path):
    save_images(tmp_path / "a.png")
    save(tmp_path / "a.json", [SQUARE, shape])
    with pytest.raises(UserError, match=message) as caught:
        labelme.read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/a.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imageHeight": "absent"}, "a.json has no imageHeight, expected a whole number"),
        ({"imageWidth": None}, "a.json has the imageWidth None, expected a whole number"),
        ({"imageWidth": 0}, "the imageHeight 12 and the imageWidth 0, expected at least 1 each and at most 64000000"),
        ({"imageWidth": 10**9}, "expected at least 1 each and at most 64000000 pixels"),
        ({"imagePath": 3}, "found no labelme annotations in"),
    ],
)
def test_malformed_files_are_refused(change, message, tmp_path):
    save_images(tmp_path / "a.png")
    save(tmp_path / "a.json", [SQUARE], **change)
    with pytest.raises(UserError, match=message):
        labelme.read(tmp_path)


def test_damaged_json_is_refused(tmp_path):
    save_images(tmp_path / "a.png")
    (tmp_path / "a.json").write_text('{"shapes": [], "imagePath": ')
    with pytest.raises(UserError, match=r"a.json is not valid JSON .*repair it"):
        labelme.read(tmp_path)


def test_embedded_images_are_not_read(tmp_path):
    save(tmp_path / "a.json", [SQUARE], imageData="iVBORw0KGgo=")
    with pytest.raises(UserError, match=r"a.json has no image: .*embedded imageData is not read\); add the image file"):
        labelme.read(tmp_path)


def test_two_images_of_the_same_stem_are_refused(tmp_path):
    save_images(tmp_path / "a.png", tmp_path / "a.jpg")
    save(tmp_path / "a.json", [SQUARE], "b.png")
    with pytest.raises(UserError, match=r"next to it are a.jpg, a.png, expected one image of its name"):
        labelme.read(tmp_path)


def test_images_without_a_file_are_refused(tmp_path):
    save_images(*(tmp_path / f"{name}.png" for name in "abcdefg"))
    save(tmp_path / "a.json", [SQUARE])
    with pytest.raises(
        UserError,
        match=r"6 of 7 images in .* have no labelme file: b.png, c.png, d.png and 3 more; add .*move the images",
    ):
        labelme.read(tmp_path)


def test_two_files_for_one_image_are_refused(tmp_path):
    save_images(tmp_path / "a.png")
    save(tmp_path / "a.json", [SQUARE])
    save(tmp_path / "b.json", [SQUARE], "a.png")
    with pytest.raises(UserError, match=r"a.png is annotated twice, in .*a.json and .*b.json; expected once"):
        labelme.read(tmp_path)


def test_images_of_one_key_are_refused(tmp_path):
    for folder in ("train", "images/train"):
        save(tmp_path / folder / "a.json", [SQUARE])
        save_images(tmp_path / folder / "a.png")
    with pytest.raises(UserError, match=r"a.png and .*a.png would share the name a, expected different ones"):
        labelme.read(tmp_path)
