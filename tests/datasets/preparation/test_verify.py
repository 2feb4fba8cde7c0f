import io

import cv2
import numpy as np
import pytest
import torch
from dataset_files import write_pair
from hypothesis import given
from hypothesis import strategies as st
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image
from strangers_data import gray_png

from ssr_mmseg.datasets import image_files
from ssr_mmseg.datasets.preparation.verify import IGNORED, INVALID, check_pair, check_pairs, count_classes
from ssr_mmseg.utils.errors import UserError

TABLE = np.full(256, INVALID)
TABLE[[0, 1, 2]] = [0, 1, 2]
TABLE[255] = IGNORED


@given(st.lists(st.integers(0, 255), min_size=1, max_size=60))
def test_count_classes_equals_counting_one_by_one(values):
    table = np.full(256, INVALID)
    table[[3, 4, 200]] = [0, 1, 1]  # two label values of one class
    table[7] = IGNORED
    expected = [sum(table[value] == c for value in values) for c in range(2)]
    assert count_classes(np.array(values, np.uint8), table, 2).tolist() == expected


@pytest.fixture
def pair(tmp_path):
    values = np.random.default_rng(1).choice([0, 1, 2, 255], (40, 56))
    write_pair(tmp_path / "a.png", tmp_path / "label.png", values)
    return tmp_path / "a.png", tmp_path / "label.png", values


def test_counts_at_full_size_and_at_an_eighth(pair):
    image, label, values = pair
    checked = check_pair(image, label, TABLE, 3, (32, 64))
    assert checked.pixels.tolist() == [(values == c).sum() for c in range(3)]
    small = torch.tensor(values)[None, None].float()
    for size in (32, 64), (4, 8):  # the network's input, and 1/8 of it for the search's loss
        small = torch.nn.functional.interpolate(small, size=size, mode="nearest-exact")
    assert checked.pixels_eighth.tolist() == [(small == c).sum() for c in range(3)]


def save_label(path, array, mode=None):
    Image.fromarray(array, mode).save(path)


def test_palette_and_one_bit_labels_count_by_index(pair, tmp_path):
    image, label, values = pair
    indexed = Image.fromarray(np.where(values == 255, 0, values).astype(np.uint8), "L").convert("P")
    indexed.putpalette([9, 9, 9] * 256)
    indexed.save(label)
    assert check_pair(image, label, TABLE, 3, (32, 64)).pixels.sum() == 40 * 56
    Image.fromarray(values == 1).save(label)
    assert check_pair(image, label, TABLE, 3, (32, 64)).pixels.tolist() == [(values != 1).sum(), (values == 1).sum(), 0]


@pytest.mark.parametrize("array", [np.zeros((40, 56, 3), np.uint8), np.zeros((40, 56, 4), np.uint8)])
def test_color_labels_are_refused(array, pair):
    image, label, _ = pair
    Image.fromarray(array).save(label)
    with pytest.raises(UserError, match=r"label .*label.png has pixels of mode RGB.*one 8-bit channel"):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_sixteen_bit_labels_are_refused(pair):
    image, label, _ = pair
    Image.fromarray(np.full((40, 56), 256, np.uint16)).save(label)  # would be class 0 if truncated to 8 bits
    with pytest.raises(UserError, match="mode I"):
        check_pair(image, label, TABLE, 3, (32, 64))


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_labels_of_few_bits_are_refused(bits, pair):
    """Pillow and OpenCV stretch their values to 255."""
    image, label, values = pair
    label.write_bytes(gray_png(np.where(values == 255, 0, values), bits))
    with pytest.raises(UserError, match=f"has {bits}-bit gray values, which decoders stretch to 255"):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_invalid_values_are_listed(pair):
    image, label, values = pair
    values[5, 5], values[6, 6] = 3, 77
    Image.fromarray(values.astype(np.uint8)).save(label)
    with pytest.raises(
        UserError, match=r"label .*label.png contains the value 3, 77; expected classes 0 to 2 .*\(255\)"
    ):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_different_sizes_are_refused(pair):
    image, label, values = pair
    Image.fromarray(values[:-1].astype(np.uint8)).save(label)
    with pytest.raises(UserError, match=r"a.png is 40x56 but its label .*label.png is 39x56"):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_rotated_photographs_have_their_size_in_training(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image, label = tmp_path / "a.jpg", tmp_path / "a.png"
    Image.fromarray(np.zeros((40, 56, 3), np.uint8)).save(image, exif=exif)
    Image.fromarray(np.zeros((56, 40), np.uint8)).save(label)
    assert cv2.imread(str(image)).shape == (56, 40, 3)  # OpenCV, the decoder of training, rotates it
    assert check_pair(image, label, TABLE, 3, (32, 64)).pixels[0] == 56 * 40


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_images_are_refused(suffix, pair, tmp_path):
    _, label, _ = pair
    image = tmp_path / f"broken.{suffix}"
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, {"png": "PNG", "jpg": "JPEG"}[suffix])
    image.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(UserError, match=f"broken.{suffix} is damaged: .*; replace it"):
        check_pair(image, label, TABLE, 3, (32, 64))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", r"a.png is empty \(0 bytes\); replace it"),
        (b"text", "a.png is not a PNG or JPEG file but a text file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 56 40\n", "but a PostScript document"),
        (b"\0\0\0\x18ftypheic", "but a HEIC file"),
        (b"\x00\x01\x02", "but a file of an unknown kind"),
        (b"\x89PNG\r\n\x1a\nabc", "a damaged or unsupported PNG file|is damaged"),
    ],
)
def test_other_formats_are_never_decoded(content, what, pair):
    image, label, _ = pair
    image.write_bytes(content)
    with pytest.raises(UserError, match=what):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_label_must_be_png(pair):
    image, label, _ = pair
    Image.fromarray(np.zeros((40, 56), np.uint8)).save(label, "JPEG")
    with pytest.raises(UserError, match=r"label.png is not a PNG file but a damaged or unsupported JPEG file"):
        check_pair(image, label, TABLE, 3, (32, 64))


@pytest.mark.parametrize("edge", [9000, 16000], ids=["Pillow warns", "Pillow refuses"])
def test_decompression_bombs_are_refused(edge, pair):
    image, label, _ = pair
    Image.new("1", (edge, edge)).save(image)
    with pytest.raises(UserError, match=r"a.png has .*pixels; at most"):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_missing_file(pair):
    image, label, _ = pair
    image.unlink()
    with pytest.raises(UserError, match=r"could not read .*a.png"):
        check_pair(image, label, TABLE, 3, (32, 64))


def test_many_pairs_keep_their_order_and_the_first_error_is_raised(tmp_path):
    pairs = []
    for index in range(20):
        values = np.full((8, 8), index % 3)
        pairs.append((tmp_path / f"{index}.png", tmp_path / f"{index}-label.png"))
        write_pair(*pairs[-1], values, seed=index)
    checked = check_pairs(pairs, TABLE, 3, (32, 64))
    assert [(pair.image, pair.label) for pair in checked] == pairs
    assert [int(pair.pixels.argmax()) for pair in checked] == [index % 3 for index in range(20)]
    for index in (4, 11):
        pairs[index][1].write_bytes(b"")
    with pytest.raises(UserError, match="4-label"):
        check_pairs(pairs, TABLE, 3, (32, 64))


def test_the_limit_admits_common_cameras():
    assert image_files.MAX_PIXELS >= 7680 * 4320


def test_a_too_large_file_is_not_read(pair, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 100)
    with pytest.raises(UserError, match="is larger than 100 bytes"):
        check_pair(*pair[:2], TABLE, 3, (32, 64))


def test_no_image_starts_a_program(tmp_path, monkeypatch):
    """mmseg's label reader detects the format by content, so an EPS file would start Ghostscript."""
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 56 40\n%%EndComments\nshowpage\n"
    (tmp_path / "label.png").write_bytes(eps)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    loader = LoadAnnotations()
    with pytest.raises(OSError, match="Ghostscript"):
        loader({"seg_map_path": str(tmp_path / "label.png"), "seg_fields": [], "reduce_zero_label": False})
    with pytest.raises(UserError, match="is not a PNG or JPEG file but a PostScript document"):
        image_files.open_image(tmp_path / "label.png")
