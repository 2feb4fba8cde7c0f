"""Random numbers and noise textures of the rendered street scenes, identical on every machine.

Rendered bytes depend only on integer arithmetic and on IEEE float64 ``+ - * /``, ``sqrt`` and ``floor``, one operation
per NumPy call: no transcendental functions, no reductions whose order could vary, no out-of-range casts. The other
modules of the renderer follow the same rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np

Rgb = tuple[float, float, float]
T = TypeVar("T")

TILE = 256  # cells along a side of the noise textures, which wrap around
_WORD = (1 << 64) - 1


def _mix64(word: int) -> int:
    """Return the splitmix64 finalizer of a 64-bit word."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


class Stream:
    """A splitmix64 stream of random numbers, keyed by integers; equal keys give equal numbers."""

    def __init__(self, *key: int) -> None:
        self._state = 0
        for word in key:
            self._state = _mix64((self._state + 0x9E3779B97F4A7C15) & _WORD ^ (word & _WORD))

    def bits(self) -> int:
        """Return 64 random bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        return _mix64(self._state)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * ((self.bits() >> 11) / 2**53)

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + self.bits() % (high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.uniform() < probability

    def sign(self) -> int:
        """Return -1 or 1."""
        return 1 if self.bits() & 1 else -1

    def choice(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.bits() % len(items)]

    def tint(self, color: Rgb, brightness: float = 0.2, hue: float = 0.08) -> Rgb:
        """Return the color with its brightness and each channel varied by at most these fractions."""
        word = self.bits()
        light, red, green, blue = ((word >> place & 0xFFFF) / 32768 - 1 for place in (0, 16, 32, 48))
        gain = 1 + brightness * light
        return (
            color[0] * gain * (1 + hue * red),
            color[1] * gain * (1 + hue * green),
            color[2] * gain * (1 + hue * blue),
        )


def hash32(words: np.ndarray, salt: int) -> np.ndarray:
    """Return 32 well-mixed bits for each uint32 word; different salts give different bits."""
    words = words * np.uint32(0x9E3779B1) ^ np.uint32(salt & 0xFFFFFFFF)
    words ^= words >> np.uint32(16)
    words *= np.uint32(0x85EBCA6B)
    words ^= words >> np.uint32(13)
    words *= np.uint32(0xC2B2AE35)
    words ^= words >> np.uint32(16)
    return words


@cache
def white_noise() -> np.ndarray:
    """Return the (TILE, TILE) texture of independent values in [-1, 1)."""
    words = hash32(np.arange(TILE * TILE, dtype=np.uint32), 0x5EED)
    return (words.astype(np.float64) / 2**31 - 1).reshape(TILE, TILE)


@cache
def fractal_noise() -> np.ndarray:
    """Return the (TILE, TILE) texture of smooth noise over six octaves, mostly within [-1, 1]."""
    total = np.zeros((TILE, TILE))
    amplitude = 0.9
    for octave in range(6):
        cell = 64 >> octave
        lattice = np.roll(white_noise(), 31 * octave, axis=0)[: TILE // cell, : TILE // cell]
        position = np.arange(TILE) / cell
        low = np.floor(position).astype(np.int64)
        part = position - low
        part = part * part * (3 - 2 * part)
        high = (low + 1) % (TILE // cell)
        rows = lattice[low] * (1 - part)[:, None] + lattice[high] * part[:, None]
        total += amplitude * (rows[:, low] * (1 - part) + rows[:, high] * part)
        amplitude *= 0.6
    return total


def sample(texture: np.ndarray, u: np.ndarray, v: np.ndarray, cell: float, shift: int = 0) -> np.ndarray:
    """Return the texture, shifted by `shift`, at (u, v) in meters, with `cell` meters per texture cell."""
    column = np.floor(u / cell).astype(np.int64) + (shift & 0xFF)
    row = np.floor(v / cell).astype(np.int64) + (shift >> 8 & 0xFF)
    return texture[row & (TILE - 1), column & (TILE - 1)]


def fraction(values: np.ndarray) -> np.ndarray:
    """Return the fractional part, in [0, 1)."""
    return values - np.floor(values)
