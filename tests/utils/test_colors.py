"""Colors of classes, as people with each form of color blindness see them."""

import colorsys

import numpy as np
import pytest

from ssr_mmseg.utils.colors import _difference, distinct_colors

# Machado et al. 2009, severity 1, on linear RGB; an implementation apart from that of the module.
BLINDNESS = {
    "none": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    "protanopia": [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
    "deuteranopia": [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
    "tritanopia": [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
}
# CIE76: 2.3 is just noticeable between large areas next to each other; the colors of Okabe and Ito, of which there are
# only seven besides black, are 16.1 apart.
FIRST, APART = 12, 15.0


def lab(color: list[float], blindness: str) -> np.ndarray:
    """CIELAB (D65) of a color in sRGB, 0 to 255."""
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10.31475 else c / 255 / 12.92 for c in color]
    seen = np.reshape(BLINDNESS[blindness], (3, 3)) @ linear
    red, green, blue = np.clip(seen, 0, 1)
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def closest(colors: list[list[int]], blindness: str) -> float:
    """The smallest distance (CIE76) of two of the colors."""
    seen = [lab(color, blindness) for color in colors]
    return min(float(np.linalg.norm(a - b)) for index, a in enumerate(seen) for b in seen[:index])


def by_hue(count: int) -> list[list[int]]:
    """The colors that classes had before: hues that advance by the golden angle."""
    wheel = [colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.75, 0.95) for number in range(count)]
    return [[round(255 * channel) for channel in color] for color in wheel]


def test_the_measure_itself():
    np.testing.assert_allclose(lab([255, 0, 0], "none"), [53.24, 80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(lab([255, 255, 255], "tritanopia"), [100, 0, 0], atol=0.1)
    red, green = [200, 60, 40], [120, 110, 30]
    assert closest([red, green], "protanopia") < closest([red, green], "none") / 3


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_first_colors_can_be_distinguished(blindness):
    distance = closest(distinct_colors(FIRST), blindness)
    assert distance > APART
    assert distance > closest(by_hue(FIRST), blindness)


@pytest.mark.parametrize("count", [8, 12, 20, 60])
def test_the_closest_colors_are_farther_apart_than_hues_for_whoever_sees_them_closest(count):
    ours, before = (min(closest(colors(count), each) for each in BLINDNESS) for colors in (distinct_colors, by_hue))
    assert ours > 2 * before


@pytest.mark.parametrize("count", [0, 1, 2, 19, 256])
def test_there_is_a_color_for_each_class(count):
    colors = distinct_colors(count)
    assert len({tuple(color) for color in colors}) == len(colors) == count
    assert all(isinstance(channel, int) and 0 <= channel <= 255 for color in colors for channel in color)
    assert colors == distinct_colors(256)[:count]
    assert not {(0, 0, 0), (255, 255, 255)} & {tuple(color) for color in colors}


@pytest.mark.parametrize(
    ("first", "second", "expected"),  # of the test data of Sharma, Wu and Dalal
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_are_those_of_ciede2000(first, second, expected):
    assert float(_difference(np.array(first), np.array(second))) == pytest.approx(expected, abs=5e-5)
