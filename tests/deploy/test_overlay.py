"""Overlays and legends, pixel by pixel."""

import cv2
import numpy as np
import pytest
from onnx_files import metadata

from ssr_mmseg.deploy.legend import Letters, legend_strip
from ssr_mmseg.deploy.overlay import Overlay
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError

COLORS = ((200, 0, 10), (0, 150, 20), (30, 40, 250))
ABOUT = metadata(palette=COLORS)
LABELS = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
IMAGE = np.full((2, 3, 3), 100, np.uint8)


def test_an_overlay_blends_the_color_of_the_class():
    full = Overlay(ABOUT, 1.0).draw(IMAGE, LABELS)
    half = Overlay(ABOUT, 0.5).draw(IMAGE, LABELS)
    for place in np.ndindex(2, 3):
        color = COLORS[LABELS[place]]
        assert tuple(full[place][::-1]) == color
        np.testing.assert_allclose(half[place][::-1], (np.array(color) + 100) / 2, atol=0.5)
    np.testing.assert_array_equal(Overlay(ABOUT, 0.0).draw(IMAGE, LABELS), IMAGE)


def test_the_image_shows_through_skipped_classes_alone():
    picture = Overlay(ABOUT, 1.0, skip=("c1", "c2")).draw(IMAGE, LABELS)
    np.testing.assert_array_equal(picture[LABELS != 0], IMAGE[LABELS != 0])
    assert (picture[LABELS == 0] == COLORS[0][::-1]).all()
    everything = Overlay(ABOUT, 1.0, skip=("c0", "c1", "c2"), legend=True).draw(IMAGE, LABELS)
    np.testing.assert_array_equal(everything[:2, :3], IMAGE)


def test_unknown_classes_and_palettes_are_refused_with_the_known_ones():
    with pytest.raises(UserError, match="unknown class 'c9'; choose from: c0, c1, c2"):
        Overlay(ABOUT, skip=("c0", "c9"))
    with pytest.raises(UserError, match="unknown palette x; choose one of: file, safe"):
        Overlay(ABOUT, palette="x")


def test_the_safe_palette_replaces_the_colors_of_the_file():
    picture = Overlay(ABOUT, 1.0, palette="safe").draw(IMAGE, LABELS)
    np.testing.assert_array_equal(picture[:, :, ::-1], np.array(distinct_colors(3))[LABELS])


@pytest.mark.parametrize("width", [1, 3, 96, 641, 2048])
def test_a_legend_hides_nothing_of_the_image(width):
    image = np.random.default_rng(0).integers(0, 255, (50, width, 3), np.uint8)
    labels = np.zeros((50, width), np.uint8)
    plain, strip = (Overlay(ABOUT, legend=legend).draw(image, labels) for legend in (False, True))
    np.testing.assert_array_equal(strip[:50, :width], plain)
    assert strip.shape[0] > 50
    assert strip.shape[1] >= width
    assert strip.flags["C_CONTIGUOUS"]


def swatches(strip: np.ndarray, colors: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Box (x, y, width, height) of the pixels of each color in a strip."""
    return [cv2.boundingRect((strip == color).all(axis=2).astype(np.uint8)) for color in colors]


@pytest.mark.parametrize("width", [96, 480, 1920])
@pytest.mark.parametrize("count", [2, 19, 60])
def test_each_class_has_a_swatch_and_a_name_apart_from_the_others(count, width):
    names = [f"class {number}" for number in range(count)]
    colors = np.array(distinct_colors(count), np.uint8)[:, ::-1]
    strip = legend_strip(names, colors, width)
    boxes = swatches(strip, colors)
    assert len({(x, y) for x, y, _, _ in boxes}) == count
    letters = Letters(boxes[0][3] + 2)
    for name, (x, y, wide, high) in zip(names, boxes, strict=True):
        assert 12 <= wide <= 45
        assert 12 <= high <= 45
        text = strip[y : y + high, x + wide + 2 : x + wide + 2 + letters.width(name)]
        dark = (text.max(axis=2) < 128).any(axis=0)
        assert dark.any(), name
        assert not (strip[y : y + high, x + wide + 3 + letters.width(name) + 8 :][:, :4].max(axis=2) < 128).any()


def test_only_drawn_classes_are_in_the_legend():
    overlay = Overlay(ABOUT, skip=("c1",), legend=True)
    picture = overlay.draw(np.zeros((40, 400, 3), np.uint8), np.zeros((40, 400), np.uint8))
    drawn = [(picture[40:] == color[::-1]).all(axis=2).any() for color in COLORS]
    assert drawn == [True, False, True]


def test_any_name_can_be_drawn(monkeypatch):
    names = ["road", "Fußgänger", "道路", "дорога", "🚗", "", "x" * 1000, "a\u0301", "\u202eabc"]
    colors = np.zeros((len(names), 3), np.uint8)
    with_font = legend_strip(names, colors, 640)
    monkeypatch.delattr(cv2, "FontFace", raising=False)  # as in OpenCV 4
    without = legend_strip(names, colors, 640)
    for strip in (with_font, without):
        assert strip.shape[1] == 640
        assert (strip.max(axis=2) < 128).any()
