import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssr_mmseg.datasets.importing.layouts import coco
from ssr_mmseg.datasets.importing.layouts.coco import Runs, decode_counts, split_of
from ssr_mmseg.datasets.importing.raw_label import BACKGROUND
from ssr_mmseg.utils.errors import UserError

HEIGHT, WIDTH = 12, 16
SQUARE, INNER = [2, 2, 9, 2, 9, 9, 2, 9], [4, 4, 6, 4, 6, 6, 4, 6]  # 8x8 and 3x3 pixels with their outlines


def annotation(category, segmentation, image=1, **other):
    return {"image_id": image, "category_id": category, "segmentation": segmentation, **other}


def document(annotations, images=("a.png",), categories=("car", "tree")):
    return {
        "info": {"year": 2025},
        "images": [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH} for number, name in enumerate(images, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories, 1)],
    }


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def save_images(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)


def listed(folder):
    """Return split, key and image of all pairs."""
    pairs, _ = coco.read(folder)
    return [(pair.split, pair.key, pair.image.relative_to(folder).as_posix()) for pair in pairs]


def label(folder):
    """Return the class names of the only label, (H, W)."""
    (pair,), _ = coco.read(folder)
    raw = pair.label.read()
    return np.array(raw.names)[raw.codes]


def test_roboflow_layout(tmp_path):
    for split in ("train", "valid", "test"):
        save(tmp_path / split / "_annotations.coco.json", document([annotation(1, [SQUARE])]))
        save_images(tmp_path / split / "a.png")
    assert [path.parent.name for path in coco.find(tmp_path)] == ["test", "train", "valid"]
    assert listed(tmp_path) == [
        ("test", "a", "test/a.png"),
        ("train", "a", "train/a.png"),
        ("val", "a", "valid/a.png"),
    ]


def test_cocos_own_layout(tmp_path):
    for split in ("train", "val"):
        save(tmp_path / f"annotations/instances_{split}2017.json", document([], ["a.png"]))
        save_images(tmp_path / f"{split}2017/a.png")
    assert listed(tmp_path) == [("train", "a", "train2017/a.png"), ("val", "a", "val2017/a.png")]


@pytest.mark.parametrize(
    ("annotations", "image", "split", "key"),
    [
        ("annotations/train.json", "images/a.png", "train", "a"),
        ("annotations/train.json", "images/train/a.png", "train", "a"),
        ("labels/val.json", "validation/a.png", "val", "a"),
        ("train/labels/coco.json", "train/images/a.png", "train", "a"),
        ("town/coco/train.json", "town/train2017/a.png", "train", "town/train2017/a"),
        ("coco.json", "photos/2024/a.png", None, "2024/a"),
        ("coco.json", "test/a.png", None, "test/a"),
        ("train_val.json", "images/a.png", None, "a"),
    ],
)
def test_images_are_found_where_they_usually_are_or_by_a_unique_name(annotations, image, split, key, tmp_path):
    save(tmp_path / annotations, document([]))
    save_images(tmp_path / image)
    assert listed(tmp_path) == [(split, key, image)]


def test_file_names_may_have_folders_and_backslashes(tmp_path):
    save(tmp_path / "train.json", document([], ["./town/b.PNG", r"images\town\a.png"]))
    save_images(tmp_path / "images/town/a.png", tmp_path / "images/town/b.PNG")
    assert [key for _, key, _ in listed(tmp_path)] == ["town/a", "town/b"]


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("annotations/instances_train2017.json", "train"),
        ("VAL/_annotations.coco.json", "val"),
        ("Validation-set.json", "val"),
        ("test/instances_train.json", "train"),
        ("train_and_val.json", None),
        ("constraints/values.json", None),
        ("trainval.json", None),
    ],
)
def test_split_of_the_innermost_name(path, split):
    assert split_of(coco.PurePosixPath(path)) == split


def test_only_coco_files_in_the_first_levels_are_found(tmp_path):
    save(tmp_path / "a/b/found.json", document([]))
    save(tmp_path / "FOUND.JSON", document([]))
    for path in ("a/b/c/deep.json", ".hidden/a.json", ".a.json", "__MACOSX/a.json", "a.txt"):
        save(tmp_path / path, document([]))
    save(tmp_path / "captions.json", {"images": [], "annotations": []})
    save(tmp_path / "list.json", [document([])])
    save(tmp_path / "mapping.json", document({}))
    assert coco.find(tmp_path) == [tmp_path / "FOUND.JSON", tmp_path / "a/b/found.json"]


def test_smaller_annotations_are_on_top(tmp_path):
    save_images(tmp_path / "a.png")
    for parts in [(1, [SQUARE]), (2, [INNER])], [(2, [INNER]), (1, [SQUARE])]:
        save(tmp_path / "a.json", document([annotation(*part) for part in parts]))
        names = label(tmp_path)
        assert (names == "car").sum() == 64 - 9
        assert (names == "tree").sum() == 9
        assert (names[4:7, 4:7] == "tree").all()
    assert coco.read(tmp_path)[1] == ["where annotations overlap, the smaller one is on top"]


def test_the_area_is_that_of_all_parts_and_of_the_mask(tmp_path):
    save_images(tmp_path / "a.png")
    all_but_one = {"size": [HEIGHT, WIDTH], "counts": [1, HEIGHT * WIDTH - 1]}
    parts = [INNER, [10, 2, 15, 2, 15, 12, 10, 12]]  # 4 + 50 pixels, and the square has 49
    save(tmp_path / "a.json", document([annotation(1, [SQUARE]), annotation(2, all_but_one), annotation(2, parts)]))
    names = label(tmp_path)
    assert names[0, 0] == BACKGROUND
    assert names[0, 1] == "tree"
    assert (names[2:10, 2:10] == "car").all()


def test_names_are_categories_by_id_once_each_for_all_files(tmp_path):
    train, val = document([], ["a.png"], ["car", "tree", "car", BACKGROUND, "road"]), document([], ["b.png"])
    train["categories"].reverse()
    val["categories"] = [{"id": 0, "name": "sky"}, {"id": 9, "name": "tree"}]
    save(tmp_path / "train.json", train)
    save(tmp_path / "val.json", val)
    save_images(tmp_path / "a.png", tmp_path / "b.png")
    for pair in coco.read(tmp_path)[0]:
        assert pair.label.read().names == (BACKGROUND, "car", "tree", "road", "sky")


def test_notes_tell_what_is_background_and_what_is_not_read(tmp_path):
    names = [f"{number}.png" for number in range(6)]
    save(tmp_path / "train.json", document([annotation(1, [SQUARE])], names))
    save_images(*(tmp_path / name for name in [*names, "other.png"]))
    assert coco.read(tmp_path)[1][1:] == [
        "5 images without an annotation are background: 1.png, 2.png, 3.png and 2 more",
        "1 pictures are in no COCO file and not read: other.png",
    ]


def naive_mask(lengths, height, width):
    flat = [index % 2 for index, length in enumerate(lengths) for _ in range(length)]
    return [[bool(flat[column * height + row]) for column in range(width)] for row in range(height)]


def encode(lengths):
    """Compress lengths as COCO's `rleToString` does."""
    text = ""
    for index, length in enumerate(lengths):
        number = length - lengths[index - 2] if index > 2 else length
        more = True
        while more:
            group = number & 31
            number >>= 5
            more = number != (-1 if group & 16 else 0)
            text += chr(48 + group + 32 * more)
    return text


LENGTHS = st.lists(st.integers(0, 5000), min_size=1, max_size=40)


@given(LENGTHS)
def test_compressed_counts_are_decoded(lengths):
    assert decode_counts(encode(lengths), "") == lengths


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 8))
def test_masks_are_stored_by_columns(lengths, height):
    lengths.append(-sum(lengths) % height + height)
    width = sum(lengths) // height
    runs = Runs("car", (height, width), np.array(lengths))
    assert runs.mask().tolist() == naive_mask(lengths, height, width)
    assert runs.area() == runs.mask().sum()


DOTS = np.zeros((6, 9), bool)
DOTS[::2, ::3] = DOTS[3:, 5] = DOTS[0, 8] = True
BOX = np.zeros((60, 80), bool)
BOX[10:50, 20:60] = BOX[55, 70] = True
STRIPES = np.zeros((300, 400), bool)
STRIPES[0, 0] = STRIPES[299, 399] = STRIPES[100:250, 150:152] = True


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("<", np.zeros((4, 3), bool)),
        ("0<", np.ones((4, 3), bool)),
        ("011000<0D00093GM0060N", DOTS),
        (f"jU1X1d{'0' * 78}Ud0iNWL", BOX),
        ("01[Q\\1e4[SdN0kaX2[K", STRIPES),
    ],
)
def test_strings_of_pycocotools(text, mask):  # 2.0.11's `encode` made them
    runs = Runs("car", mask.shape, np.array(decode_counts(text, "")))
    assert np.array_equal(runs.mask(), mask)


@pytest.mark.parametrize("counts", [[12, 3, 9, 24, 144], encode([12, 3, 9, 24, 144])])
def test_masks_of_crowds_are_drawn(counts, tmp_path):
    save_images(tmp_path / "a.png")
    crowd = annotation(2, {"size": [HEIGHT, WIDTH], "counts": counts}, iscrowd=1)
    save(tmp_path / "a.json", document([annotation(1, [SQUARE]), crowd]))
    names = label(tmp_path)
    assert (names[:3, 1] == "tree").all()
    assert (names[:, 2:4] == "tree").all()
    assert (names == "tree").sum() == 27


def changed(path, value):
    """Return a document of two images and two annotations with a value at a path; without what is there for None."""
    result = copy.deepcopy(document([annotation(1, [SQUARE]), annotation(2, [INNER], 2)], ["a.png", "b.png"]))
    *parents, last = path
    item = result
    for key in parents:
        item = item[key]
    if value is None:
        del item[last]
    else:
        item[last] = value
    return result


SEGMENTATION = ("annotations", 1, "segmentation")
SIZE = [HEIGHT, WIDTH]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("categories", 0), 7, r"categories\[0\] is 7, expected an object with id; correct the file"),
        (("categories", 1, "id"), None, r"categories\[1\] has no id, expected a whole number; correct the file"),
        (("categories", 1, "id"), True, r"categories\[1\] has the id True, expected a whole number"),
        (("categories", 1, "id"), "2", r"categories\[1\] has the id '2', expected a whole number"),
        (("categories", 1, "id"), 1, r"categories\[1\] has the id 1 of another category, expected a new one"),
        (("categories", 1, "name"), None, r"categories\[1\] has no name, expected text"),
        (("categories", 1, "name"), " ", r"categories\[1\] has the name ' ', expected a printable name"),
        (("categories", 1, "name"), "a\nb", r"categories\[1\] has the name 'a\\nb', expected a printable name"),
        (("images", 1), [], r"images\[1\] is '\[\]', expected an object with id"),
        (("images", 1, "id"), None, r"images\[1\] has no id"),
        (("images", 1, "id"), 1, r"images\[1\] has the id 1 of another image, expected a new one"),
        (("images", 1, "file_name"), None, r"images\[1\] has no file_name, expected text"),
        (("images", 1, "file_name"), "../b.png", r"file_name '../b.png', expected a path below the folder"),
        (("images", 1, "file_name"), "x\\..\\b.png", r"file_name .*, expected a path below the folder"),
        (("images", 1, "file_name"), "/b.png", r"file_name '/b.png', expected a path below the folder"),
        (("images", 1, "file_name"), "C:\\b.png", r"file_name .*, expected a path below the folder"),
        (("images", 1, "file_name"), "", r"file_name '', expected one in .png, "),
        (("images", 1, "file_name"), "a.json", r"file_name 'a.json', expected one in .png, .*; convert"),
        (("images", 1, "file_name"), "c.png", r"1 of 2 images in .*a.json are not below .*: 'c.png'; add them"),
        (("images", 1, "file_name"), "c\0.png", r"1 of 2 images in .*a.json are not below .*: 'c\\x00.png'"),
        (("images", 1, "file_name"), "c" * 300 + ".png", r"1 of 2 images in .*a.json are not below .*: 'ccc.*…; add"),
        (("images", 1, "file_name"), "a.png", r"a.png is annotated twice, in .*a.json; expected once; remove one"),
        (("images", 1, "height"), None, r"images\[1\] has no height, expected a whole number"),
        (("images", 1, "width"), "16", r"images\[1\] has the width '16', expected a whole number"),
        (
            ("images", 1, "width"),
            0,
            r"has the height 12 and the width 0, expected at least 1 each and at most 64000000",
        ),
        (("images", 1, "width"), 2**62, r"at most 64000000 pixels"),
        (("annotations", 1), "x", r"annotations\[1\] is 'x', expected an object with image_id"),
        (("annotations", 1, "image_id"), 3, r"annotations\[1\] has the image_id 3, expected an id of images"),
        (("annotations", 1, "image_id"), "1", r"annotations\[1\] has the image_id '1', expected an id of images"),
        (("annotations", 1, "category_id"), 5, r"annotations\[1\] has the category_id 5, expected an id of categories"),
        (
            ("annotations", 1, "category_id"),
            [],
            r"annotations\[1\] has the category_id '\[\]', expected a whole number",
        ),
        (SEGMENTATION, None, r"annotations\[1\].segmentation is missing, expected polygons or .*instead of boxes"),
        (SEGMENTATION, [], r"segmentation is '\[\]', expected polygons or .*instead of boxes"),
        (SEGMENTATION, "x", r"segmentation is 'x', expected polygons"),
        (SEGMENTATION, SQUARE, r"segmentation contains 2, expected polygons as \[x, y"),
        (SEGMENTATION, [[1, 1, 2, 2]], r"has a polygon of 2 points, expected at least 3"),
        (SEGMENTATION, [[]], r"has a polygon of 0 points, expected at least 3"),
        (SEGMENTATION, [[1, 1, 2, 2, 3, 3, 4]], r"has 7 coordinates, expected pairs of x and y"),
        (SEGMENTATION, [[1, 1, 2, 2, 3, "4"]], r"has the coordinate '4', expected a number of pixels"),
        (SEGMENTATION, [[1, 1, 2, 2, 3, True]], r"has the coordinate True, expected a number of pixels"),
        (SEGMENTATION, [[1, 1, 2, 2, 3, 1e300]], r"coordinate 1e\+300, expected a number of pixels from -100000 to"),
        (SEGMENTATION, {}, r"has the size None, expected \[12, 16\] of its image"),
        (SEGMENTATION, {"size": [16, 12], "counts": [192]}, r"has the size '\[16, 12\]', expected \[12, 16\]"),
        (SEGMENTATION, {"size": SIZE}, r"segmentation has no counts, expected a list"),
        (SEGMENTATION, {"size": SIZE, "counts": 192}, r"has the counts 192, expected a list"),
        (SEGMENTATION, {"size": SIZE, "counts": [191]}, r"counts that add up to 191, expected 192 pixels"),
        (SEGMENTATION, {"size": SIZE, "counts": [193, -1]}, r"has the count -1, expected whole numbers from 0"),
        (SEGMENTATION, {"size": SIZE, "counts": [191.0, 1]}, r"has the count 191.0, expected whole numbers"),
        (SEGMENTATION, {"size": SIZE, "counts": [None, 191]}, r"has the count None, expected whole numbers"),
        (SEGMENTATION, {"size": SIZE, "counts": [True, 191]}, r"has the count True, expected whole numbers"),
        (SEGMENTATION, {"size": SIZE, "counts": [2**62] * 8}, r"counts that add up to \d+, expected 192"),
        (SEGMENTATION, {"size": SIZE, "counts": encode([191])}, r"counts that add up to 191, expected 192 pixels"),
        (SEGMENTATION, {"size": SIZE, "counts": ""}, r"counts that add up to 0, expected 192 pixels"),
        (SEGMENTATION, {"size": SIZE, "counts": "P"}, r"counts that end within a number, expected a complete mask"),
        (SEGMENTATION, {"size": SIZE, "counts": "0 0"}, r"has the counts '0 0', expected a compressed mask of COCO"),
        (SEGMENTATION, {"size": SIZE, "counts": "p"}, r"has the counts 'p', expected a compressed mask of COCO"),
        (SEGMENTATION, {"size": SIZE, "counts": "o" * 99}, r"has the counts 'ooo.*…, expected a compressed mask"),
        (SEGMENTATION, {"size": SIZE, "counts": "O"}, r"has the count -1, expected whole numbers from 0"),
    ],
)
def test_malformed_files_are_refused_in_one_line(path, value, message, tmp_path):
    save_images(tmp_path / "a.png", tmp_path / "b.png")
    save(tmp_path / "a.json", changed(path, value))
    with pytest.raises(UserError, match=message) as caught:
        coco.read(tmp_path)
    assert "a.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_json_and_numbers_that_are_not_finite_are_refused(tmp_path):
    save_images(tmp_path / "a.png")
    text = json.dumps(document([annotation(1, [SQUARE])]))
    (tmp_path / "a.json").write_text(text[:-1])
    with pytest.raises(UserError, match=r"a.json is not valid JSON .*repair it"):
        coco.read(tmp_path)
    (tmp_path / "a.json").write_text(text.replace("[[2,", "[[NaN,"))
    with pytest.raises(UserError, match="the number nan, expected finite numbers"):
        coco.read(tmp_path)


def test_a_folder_without_annotations_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"found no COCO annotations in .*, expected a JSON file with the lists"):
        coco.read(tmp_path)


def test_an_image_in_two_files_is_refused(tmp_path):
    for name in ("instances_train.json", "person_keypoints_train.json"):
        save(tmp_path / name, document([]))
    save_images(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a.png is annotated twice, in .*instances.* and .*keypoints.*; remove one"):
        coco.read(tmp_path)


def test_images_of_one_key_are_refused(tmp_path):
    save(tmp_path / "train.json", document([], ["a.png", "a.jpg"]))
    save_images(tmp_path / "a.png", tmp_path / "a.jpg")
    with pytest.raises(UserError, match=r"a.png and .*a.jpg would share the name a|a.jpg and .*a.png would share"):
        coco.read(tmp_path)


def test_a_name_of_several_files_is_refused(tmp_path):
    save(tmp_path / "coco.json", document([]))
    save_images(tmp_path / "x/a.png", tmp_path / "y/a.png")
    with pytest.raises(UserError, match=r"image 'a.png', which is several files: x/a.png, y/a.png; expected one"):
        coco.read(tmp_path)


def test_images_outside_of_the_folder_are_never_found(tmp_path):
    save(tmp_path / "source/train.json", document([]))
    save_images(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"1 of 1 images in .* are not below .*source: 'a.png'"):
        coco.read(tmp_path / "source")
