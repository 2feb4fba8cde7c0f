"""Any label in any encoding that is read gives the ids that were written, as Pillow and OpenCV read them."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from strangers_data import gray_png

from ssr_mmseg.datasets.importing.label_file import LabelFile, decode_label
from ssr_mmseg.datasets.importing.label_map import GRAY, LabelMap, parse_map
from ssr_mmseg.datasets.importing.raw_label import TRANSPARENT
from ssr_mmseg.utils.errors import UserError

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
IDS = arrays.arrays(np.uint8, SHAPES, elements=st.integers(0, 15))
LOSSLESS = {"PNG": {}, "TIFF": {}, "BMP": {}, "WEBP": {"lossless": True}}


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **(LOSSLESS[kind] | options))
    return buffer.getvalue()


def read_by_opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


@given(IDS, st.sampled_from(["PNG", "TIFF", "BMP"]))
def test_gray_values_are_those_of_pillow_and_opencv(ids, kind):
    data = encoded(Image.fromarray(ids), kind)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), read_by_opencv(data)), "they agree"
    raw = decode_label("a.png", data)
    assert raw.kind == "value"
    assert np.array_equal(raw.codes, read_by_opencv(data))


@given(arrays.arrays(np.uint16, SHAPES), st.sampled_from(["PNG", "TIFF"]))
def test_sixteen_bits(ids, kind):
    data = encoded(Image.fromarray(ids), kind)
    assert np.array_equal(read_by_opencv(data), ids)
    assert np.array_equal(decode_label("a", data).codes, ids)


@given(IDS, st.sampled_from([1, 2, 4, 8, 16]))
def test_gray_png_files_of_any_depth_have_the_values_in_the_file(ids, bits):
    ids = ids.astype(int) & (2**bits - 1)
    data = gray_png(ids, bits)
    assert np.array_equal(decode_label("a.png", data).codes, ids)
    if 1 < bits < 8:  # which both decoders stretch
        stretched = ids.astype(int) * 255 // (2**bits - 1)
        assert np.array_equal(read_by_opencv(data), stretched)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), stretched)


@given(IDS, st.integers(1, 8).filter(lambda bits: bits in (1, 2, 4, 8)), st.randoms())
def test_palette_files_have_the_index(ids, bits, random):
    ids = ids & (2**bits - 1)
    image = Image.fromarray(ids)
    image.putpalette([random.randrange(256) for _ in range(768)])
    raw = decode_label("a.png", encoded(image, "PNG", bits=bits))
    assert raw.kind == "value"
    assert np.array_equal(raw.codes, ids)
    colors = np.array(raw.palette)[ids]  # (H, W)
    shown = np.asarray(image.convert("RGB")).astype(int)
    assert np.array_equal(colors, shown[..., 0] << 16 | shown[..., 1] << 8 | shown[..., 2])


@given(arrays.arrays(np.uint8, SHAPES.map(lambda shape: (*shape, 3))), st.sampled_from(list(LOSSLESS)))
def test_colors_are_those_of_pillow_and_opencv(pixels, kind):
    data = encoded(Image.fromarray(pixels), kind)
    bgr = read_by_opencv(data).astype(int)
    raw = decode_label("a", data)
    assert raw.kind == "color"
    assert np.array_equal(raw.codes, bgr[..., 2] << 16 | bgr[..., 1] << 8 | bgr[..., 0])


@settings(deadline=None)
@given(IDS, st.randoms(use_true_random=False))
def test_every_encoding_of_the_same_ids_gives_them_through_its_map(ids, random):
    ids = ids % 4
    colors = random.sample(range(2**24), 4)
    classes = {f"c{number}": number for number in range(4)}
    rgb = np.array([[color >> shift & 255 for shift in (16, 8, 0)] for color in colors], np.uint8)[ids]
    by_color = parse_map({f"#{color:06x}": name for color, name in zip(colors, classes, strict=True)}, (), None, "")
    for kind in LOSSLESS:
        raw = decode_label("a", encoded(Image.fromarray(rgb), kind))
        assert np.array_equal(by_color.apply(raw, "a"), ids)
    values = random.sample(range(256), 4)
    by_value = parse_map({str(value): name for value, name in zip(values, classes, strict=True)}, (), None, "")
    gray = np.array(values, np.uint8)[ids]
    forms = [Image.fromarray(gray), Image.fromarray(gray.astype(np.uint16)), Image.fromarray(np.stack([gray] * 3, -1))]
    for image in forms:
        assert np.array_equal(by_value.apply(decode_label("a", encoded(image, "PNG")), "a"), ids)
    palette = Image.fromarray(gray)
    palette.putpalette(np.arange(768, dtype=np.uint16).astype(np.uint8).tobytes())
    assert np.array_equal(by_value.apply(decode_label("a", encoded(palette, "PNG")), "a"), ids)


def test_gray_pictures_have_colors_for_a_map_of_colors():
    gray = np.array([[0, 255]], np.uint8)
    label_map = parse_map({"#000000": "a", "#ffffff": "b"}, (), None, "")
    assert label_map.apply(decode_label("a", encoded(Image.fromarray(gray), "PNG")), "a").tolist() == [[0, 1]]


def test_transparent_pixels():
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 0] = (9, 9, 9, 255)
    raw = decode_label("a", encoded(Image.fromarray(pixels), "PNG"))
    assert raw.codes.tolist() == [[9 * GRAY, TRANSPARENT]]


@pytest.mark.parametrize(
    "save", [{"format": "JPEG"}, {"format": "WEBP", "quality": 90}, {"format": "TIFF", "compression": "jpeg"}]
)
def test_lossy_files_are_refused(save):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(buffer, **save)
    with pytest.raises(UserError, match=r"is a lossy .* file; its compression changes label values"):
        decode_label("a", buffer.getvalue())


def test_several_pages_are_refused():
    buffer, page = io.BytesIO(), Image.fromarray(np.zeros((4, 4), np.uint8))
    page.save(buffer, "TIFF", save_all=True, append_images=[page])
    with pytest.raises(UserError, match="has 2 pages or frames, expected one"):
        decode_label("a", buffer.getvalue())


def test_sixteen_bit_colors_are_refused():
    data = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint16))[1].tobytes()
    with pytest.raises(UserError, match="has 16 bits per channel, expected 8"):
        decode_label("a", data)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_line(data):
    with pytest.raises(UserError) as caught:
        decode_label("a.png", data)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"could not read .*no.png: No such file"):
        LabelFile(tmp_path / "no.png").read()


@pytest.mark.parametrize(
    ("entries", "ignore", "classes", "message"),
    [
        ({"#80ff0": "a"}, (), None, "'#80ff0' is no color; expected six hexadecimal digits"),
        ({"300,0,0": "a"}, (), None, "'300,0,0' is no color"),
        ({"0": "a", "00": "b"}, (), None, "'00' is two classes; name it once"),
        ({"0": "a", "1": "b"}, (1,), None, "1 is ignored and a class"),
        ({"0": "a", "1": "c"}, (), ["a", "b"], "label_map names the class c, expected one of: a, b"),
        ({"0": "a"}, (), ["a", "b"], "label_map has no key of the class b"),
        ({"0": 0, "1": 1}, (), None, "label_map has the class 0, expected names"),
        ({"0": 2}, (), ["a", "b"], "names the class 2"),
    ],
)
def test_invalid_maps_are_refused(entries, ignore, classes, message):
    with pytest.raises(UserError, match=message):
        parse_map(entries, ignore, classes, "here")


def test_numbers_of_classes_are_accepted_with_a_list():
    assert parse_map({"7": 1, "9": 0}, (), ["a", "b"], "") == LabelMap(("a", "b"), {7: 1, 9: 0})
