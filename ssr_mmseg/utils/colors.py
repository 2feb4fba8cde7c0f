"""Colors for classes that bring none, which people with any form of color blindness can tell apart."""

from functools import cache
from itertools import product

import numpy as np

FIRST = (0, 119, 187)  # RGB of class 0
LEVELS = range(0, 256, 17)  # values of a channel to choose from
LIGHTNESS, CHROMA = (20, 95), 20  # ranges of CIELAB: neither black, which marks ignored pixels, nor white, nor gray

# Linear RGB as seen without one kind of cone: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency", 2009, severity 1.
VISIONS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
XYZ = np.array(  # of linear sRGB
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def distinct_colors(count: int) -> list[list[int]]:
    """Return `count` distinct colors, RGB, at most 256; the first of them are the same for every count.

    Each is the color that is farthest from all before it, by the smallest of its distances (CIEDE2000) in normal
    vision and without one kind of cone.
    """
    return [list(color) for color in _sequence(max(1, count))[:count]]


@cache
def _sequence(count: int) -> list[tuple[int, int, int]]:
    candidates = np.array(list(product(LEVELS, repeat=3)))
    usual = _lab(_linear(candidates))
    chroma = np.hypot(usual[:, 1], usual[:, 2])
    kept = (usual[:, 0] >= LIGHTNESS[0]) & (usual[:, 0] <= LIGHTNESS[1]) & (chroma >= CHROMA)
    candidates = candidates[kept]
    seen = _lab(np.einsum("vij,nj->vni", VISIONS, _linear(candidates)))  # (visions, candidates, 3)
    chosen = [int(np.abs(candidates - FIRST).sum(axis=1).argmin())]
    nearest = np.full(len(candidates), np.inf)
    while len(chosen) < count:
        distances = _difference(seen, seen[:, chosen[-1:]]).min(axis=0)
        nearest = np.minimum(nearest, distances)
        chosen.append(int(nearest.round(3).argmax()))  # rounded, so that all machines choose the same
    return [(int(red), int(green), int(blue)) for red, green, blue in candidates[chosen]]


def _linear(colors: np.ndarray) -> np.ndarray:
    """Convert sRGB from 0 to 255 to linear RGB from 0 to 1."""
    values = colors / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """Convert linear RGB (…, 3) to CIELAB with the white D65."""
    relative = np.clip(linear, 0, 1) @ XYZ.T / XYZ.sum(axis=1)
    root = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the CIEDE2000 difference of colors in CIELAB, (…, 3) each (Sharma, Wu and Dalal, 2005)."""
    (light_1, a_1, b_1), (light_2, a_2, b_2) = (np.moveaxis(lab, -1, 0) for lab in (first, second))
    mean = (np.hypot(a_1, b_1) + np.hypot(a_2, b_2)) / 2
    factor = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    chroma_1, chroma_2 = np.hypot(factor * a_1, b_1), np.hypot(factor * a_2, b_2)
    hue_1 = np.degrees(np.arctan2(b_1, factor * a_1)) % 360
    hue_2 = np.degrees(np.arctan2(b_2, factor * a_2)) % 360
    turn = (hue_2 - hue_1 + 180) % 360 - 180
    light, chroma, hue = (light_1 + light_2) / 2, (chroma_1 + chroma_2) / 2, hue_1 + turn / 2
    wave = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    d_light = (light_2 - light_1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    d_chroma = (chroma_2 - chroma_1) / (1 + 0.045 * chroma)
    d_hue = 2 * np.sqrt(chroma_1 * chroma_2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * wave)
    blue = np.radians(60 * np.exp(-(((hue % 360 - 275) / 25) ** 2)))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(blue)
    squared: np.ndarray = d_light**2 + d_chroma**2 + d_hue**2 + rotation * d_chroma * d_hue
    return np.sqrt(np.maximum(squared, 0))
