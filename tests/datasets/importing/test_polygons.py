import copy
import json
import math
import tempfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from plain_values import PLAIN

from ssr_mmseg.datasets.importing.layouts import coco, labelme, polygons
from ssr_mmseg.datasets.importing.layouts.files import list_files
from ssr_mmseg.datasets.importing.layouts.polygons import (
    Circle,
    Polygon,
    PolygonLabel,
    Rectangle,
    draw_polygons,
    find_json,
    key_of,
)
from ssr_mmseg.datasets.importing.raw_label import BACKGROUND
from ssr_mmseg.utils.errors import UserError

NAMES = (BACKGROUND, "car", "tree")
HEIGHT, WIDTH = 14, 20
TOLERANCE = 1.75  # pixels: 0.71 from moving corners to the centers of their pixels, and a pixel of the outline
POINTS = st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 20)), min_size=3, max_size=8)


def is_inside(x, y, points):
    """Count the crossings of a ray to the right with the edges."""
    inside = False
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            inside = not inside
    return inside


def distance(x, y, points):
    """Return the distance of a point to the closest edge."""
    found = []
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = 0 if length == 0 else max(0, min(1, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length))
        found.append(math.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)))
    return min(found)


def shape(kind, points, name="car"):
    return kind(name, np.array(points, dtype=np.float64))


def draw(*shapes, names=NAMES):
    return draw_polygons((HEIGHT, WIDTH), shapes, names)


@given(st.lists(st.tuples(st.floats(0, 25), st.floats(0, 20)), min_size=3, max_size=8))
def test_pixels_off_the_outline_are_those_with_their_center_inside(points):
    drawn = draw(shape(Polygon, points))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if distance(x + 0.5, y + 0.5, points) > TOLERANCE:
                assert drawn[y, x] == is_inside(x + 0.5, y + 0.5, points)


@given(POINTS)
def test_polygons_are_those_of_labelmes_own_export(points):
    mask = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(mask).polygon(points, outline=1, fill=1)
    assert np.array_equal(draw(shape(Polygon, points)), np.asarray(mask))


@given(st.tuples(*[st.integers(-3, 22)] * 4))
def test_rectangles_have_both_corners_in_any_order(corners):
    x0, y0, x1, y1 = corners
    expected = np.zeros((HEIGHT, WIDTH))
    expected[max(0, min(y0, y1)) : max(0, max(y0, y1) + 1), max(0, min(x0, x1)) : max(0, max(x0, x1) + 1)] = 1
    assert np.array_equal(draw(shape(Rectangle, [(x0, y0), (x1, y1)])), expected)


@given(st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(0, 12), st.floats(0, 2 * math.pi))
def test_circles_have_the_radius_of_the_point_on_their_edge(x, y, radius, angle):
    drawn = draw(shape(Circle, [(x, y), (x + radius * math.cos(angle), y + radius * math.sin(angle))]))
    for row in range(HEIGHT):
        for column in range(WIDTH):
            to_center = math.hypot(column + 0.5 - x, row + 0.5 - y)
            if abs(to_center - radius) > TOLERANCE:
                assert drawn[row, column] == (to_center < radius)


def test_later_shapes_are_on_top_and_the_rest_is_background():
    car, tree = shape(Rectangle, [(2, 2), (9, 9)]), shape(Rectangle, [(5, 5), (12, 12)], "tree")
    names = ("tree", BACKGROUND, "car")
    drawn = draw(car, tree, names=names)
    assert drawn.dtype == np.int32
    assert drawn.shape == (HEIGHT, WIDTH)
    assert [names[drawn[place]] for place in [(0, 0), (3, 3), (7, 7), (11, 11)]] == [BACKGROUND, "car", "tree", "tree"]
    assert names[draw(tree, car, names=names)[7, 7]] == "car"


def test_more_than_256_names():
    names = (BACKGROUND, *map(str, range(70_000)))
    assert draw(shape(Rectangle, [(0, 0), (0, 0)], "69999"), names=names)[0, 0] == 70_000


def test_shapes_outside_of_the_image_are_cut_off():
    far = polygons.MAX_COORDINATE
    assert (draw(shape(Polygon, [(-far, -far), (far, -far), (far, far), (-far, far)])) == 1).all()
    assert (draw(shape(Circle, [(0, 0), (far, far)])) == 1).all()
    assert (draw(shape(Polygon, [(-9, -9), (-5, -9), (-5, -5)])) == 0).all()


def test_area_of_a_polygon():
    assert shape(Polygon, [(1, 1), (4, 1), (4, 3), (1, 3)]).area() == 6
    assert shape(Polygon, [(0, 4), (3, 0), (0, 0)]).area() == 6


def polygon_label(image, size=(HEIGHT, WIDTH)):
    shapes = (shape(Rectangle, [(0, 0), (1, 2)]),)
    return PolygonLabel(Path("a.json"), image, size, shapes, NAMES)


def save_image(path, turned=False):
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
def test_a_label_is_drawn_when_it_is_read(suffix, tmp_path):
    label = polygon_label(tmp_path / f"a.{suffix}")  # no file yet
    save_image(label.image)
    raw = label.read()
    assert raw.kind == "name"
    assert raw.names == NAMES
    assert raw.codes.shape == (HEIGHT, WIDTH)
    assert raw.codes.sum() == 6


def test_another_size_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"a.json describes .*a.png as 20x14 \(height x width\), but it is 14x20; "):
        polygon_label(save_image(tmp_path / "a.png"), (WIDTH, HEIGHT)).read()


def test_turned_photographs_have_their_upright_size(tmp_path):
    image = save_image(tmp_path / "a.jpg", turned=True)
    assert polygon_label(image, (WIDTH, HEIGHT)).read().codes.shape == (WIDTH, HEIGHT)
    with pytest.raises(UserError, match="but it is 20x14 after the rotation in its EXIF data"):
        polygon_label(image).read()


def test_a_missing_or_damaged_image_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"could not read .*a.png"):
        polygon_label(tmp_path / "a.png").read()
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(UserError, match=r"a.png is not a PNG"):
        polygon_label(tmp_path / "a.png").read()


@pytest.mark.parametrize(
    ("path", "split", "key"),
    [
        ("train/a.jpg", "train", "a"),
        ("train2017/images/a.b.jpg", "train", "a.b"),
        ("images/val/town/a.jpg", "val", "town/a"),
        ("JPEGImages/a.jpg", None, "a"),
        ("town/train/a.jpg", "train", "town/train/a"),
        ("train/a.jpg", None, "train/a"),
        ("test/images/a.jpg", "train", "test/images/a"),
        ("images.jpg", None, "images"),
    ],
)
def test_keys_have_no_leading_folders_of_the_split_or_of_images(path, split, key):
    assert key_of(PurePosixPath(path), split) == key


def test_unrelated_files_are_parsed_once_or_never(tmp_path, monkeypatch):
    (tmp_path / "unrelated.json").write_text('{"a": ["images"]}')
    (tmp_path / "similar.json").write_text('[{"images": 1, "labels": 2}]')
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "fits.json").write_text('{"images": [], "labels": {}}')
    (tmp_path / "wrong type.json").write_text('{"images": {}, "labels": {}}')
    (tmp_path / "damaged.json").write_text('{"images": [], "labels": ')
    parsed = []
    read_json = polygons.read_json
    monkeypatch.setattr(polygons, "read_json", lambda path: parsed.append(path.name) or read_json(path))
    for _ in range(2):
        found = find_json(list_files(tmp_path), {"images": list, "labels": dict})
        assert found == [PurePosixPath("damaged.json"), PurePosixPath("fits.json")]
    assert sorted(parsed) == ["damaged.json", "fits.json", "similar.json", "wrong type.json"]
    (tmp_path / "similar.json").write_text('{"images": [], "labels": {}, "changed": 1}')
    assert len(find_json(list_files(tmp_path), {"images": list, "labels": dict})) == 3


POLYGON = [2.5, 3, 9.5, 3, 9, 11]
COCO_DOCUMENT = {
    "images": [
        {"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
        {"id": "2", "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [POLYGON], "iscrowd": 0, "area": 9},
        {"id": 2, "image_id": 1, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [100, 180]}},
        {"id": 3, "image_id": "2", "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": "T3d5"}},
    ],
    "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "tree"}],
}
LABELME_DOCUMENT = {
    "shapes": [
        {"label": "car", "shape_type": "polygon", "points": [[1, 2], [9.5, 3], [4, 4]]},
        {"label": "tree", "shape_type": "rectangle", "points": [[1, 2], [9.5, 3]], "flags": {}},
        {"label": "tree", "shape_type": "circle", "points": [[1, 2], [9.5, 3]]},
    ],
    "imagePath": "a.png",
    "imageData": None,
    "imageHeight": HEIGHT,
    "imageWidth": WIDTH,
}


def places(value):
    """Return each container in a document, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


VALUES = PLAIN | st.integers(-2, 30) | st.text("0123[NOT<_/.\\ab", max_size=6)


@pytest.mark.parametrize(
    ("reader", "images", "document"), [(coco, "ab", COCO_DOCUMENT), (labelme, "a", LABELME_DOCUMENT)]
)
def test_any_value_at_any_place_is_read_or_refused_in_one_line(reader, images, document):
    with tempfile.TemporaryDirectory() as folder:
        for name in images:
            save_image(Path(folder, f"{name}.png"))

        def read_all(value):
            Path(folder, "a.json").write_text(json.dumps(value))
            for pair in reader.read(Path(folder))[0]:
                assert pair.image.is_relative_to(folder)
                assert pair.label.read().codes.shape == (HEIGHT, WIDTH)

        @settings(max_examples=40, deadline=None)
        @given(VALUES)
        def check(value):
            for index in range(len(places(document))):
                spoiled = copy.deepcopy(document)
                container, key = places(spoiled)[index]
                container[key] = value
                message = ""
                try:
                    read_all(spoiled)
                except UserError as error:
                    message = str(error)
                assert "\n" not in message
                assert len(message) < 500

        read_all(document)
        check()


def test_any_missing_value_is_refused_unless_it_is_optional(tmp_path):
    for name in "ab":
        save_image(tmp_path / f"{name}.png")
    optional = []
    for index in range(len(places(COCO_DOCUMENT))):
        spoiled = copy.deepcopy(COCO_DOCUMENT)
        container, key = places(spoiled)[index]
        del container[key]
        (tmp_path / "a.json").write_text(json.dumps(spoiled))
        try:
            coco.read(tmp_path)
        except UserError:
            continue
        optional.append(key)
    assert {key for key in optional if isinstance(key, str)} == {"id", "iscrowd", "area"}  # `id` of annotations
