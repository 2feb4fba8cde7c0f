"""Rasterization of the rendered street scenes: upright rectangles and flat panels seen by a pinhole camera.

The axes are X to the right, Y up and Z forward, in meters. The camera is at X = Z = 0 and looks along Z. Every shape is
a test on pixel centers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np

from ssr_mmseg.datasets.streets.noise import Rgb

Point = tuple[float, float]  # (X, Z) on the ground, or (u, v) on a surface

NEAR = 0.4  # meters: nothing nearer than this is drawn


def as_planes(color: Rgb) -> np.ndarray:
    """Return the color as a (3, 1, 1) array."""
    return np.array(color).reshape(3, 1, 1)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: image size, focal length and vanishing point in pixels, height above the ground in meters."""

    rows: int
    cols: int
    focal: float
    center: float
    horizon: float
    altitude: float


@dataclass
class Patch:
    """The pixels of a canvas that show one upright rectangle of the scene.

    ``u`` (1, w) and ``v`` (h, w) are meters along the rectangle and above the ground, ``pixel`` (1, w) is the size of a
    pixel in meters, and ``inside`` (h, w) is the mask of the rectangle. If the rectangle faces the camera, w is 1 for
    the arrays that are constant along it.
    """

    image: np.ndarray  # (3, h, w), a view into the canvas
    label: np.ndarray  # (h, w), a view into the canvas
    u: np.ndarray
    v: np.ndarray
    pixel: np.ndarray
    inside: np.ndarray
    gain: np.ndarray  # (3, 1, w): the light on the surface times the share that passes the haze
    veil: np.ndarray  # (3, 1, w): light that the haze adds

    def fill(
        self,
        mask: np.ndarray,
        color: Rgb,
        label: int | None = None,
        shade: float | np.ndarray = 1.0,
        opacity: np.ndarray | None = None,
    ) -> None:
        """Paint the masked pixels, and give them the label, if there is one, whatever the opacity."""
        value = as_planes(color) * self.gain * shade
        value += self.veil
        if opacity is not None:
            value = value * opacity + self.image * (1 - opacity)
        np.copyto(self.image, value, where=mask)
        if label is not None:
            np.copyto(self.label, np.uint8(label), where=mask)

    def box(self, left: float, right: float, low: float, high: float) -> np.ndarray:
        """Return the mask of a rectangle."""
        return (self.u >= left) & (self.u <= right) & (self.v >= low) & (self.v <= high)

    def ellipse(self, u: float, v: float, half_u: float, half_v: float) -> np.ndarray:
        """Return the mask of an ellipse with these half axes."""
        across, up = (self.u - u) / half_u, (self.v - v) / half_v
        return across * across + up * up <= 1

    def post(self, u: float, low: float, high: float, radius: float) -> np.ndarray:
        """Return the mask of an upright bar, never thinner than a pixel."""
        return (np.abs(self.u - u) <= np.maximum(radius, 0.5 * self.pixel)) & (self.v >= low) & (self.v <= high)

    def limb(self, start: Point, end: Point, radius: float) -> np.ndarray:
        """Return the mask of a thick line with round ends, never thinner than a pixel."""
        along_u, along_v = end[0] - start[0], end[1] - start[1]
        du, dv = self.u - start[0], self.v - start[1]
        part = (du * along_u + dv * along_v) / (along_u * along_u + along_v * along_v + 1e-9)
        part = np.minimum(np.maximum(part, 0), 1)
        du, dv = du - part * along_u, dv - part * along_v
        reach = np.maximum(radius, 0.5 * self.pixel)
        return du * du + dv * dv <= reach * reach

    def polygon(self, *corners: Point) -> np.ndarray:
        """Return the mask of a convex polygon, its corners (u, v) in either order of rotation."""
        edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
        area = sum(u0 * v1 - u1 * v0 for (u0, v0), (u1, v1) in edges)
        mask = self.inside
        for (u0, v0), (u1, v1) in edges if area > 0 else [(end, start) for start, end in edges]:
            mask = mask & ((u1 - u0) * (self.v - v0) >= (v1 - v0) * (self.u - u0))
        return mask


class Canvas:
    """The image (3, H, W), linear light in float64, and the label (H, W) of a frame being painted."""

    def __init__(self, camera: Camera, haze: Rgb, haze_distance: float) -> None:
        self.camera = camera
        self.haze = as_planes(haze)
        self.haze_distance = haze_distance  # meters at which half of the light is lost
        self.image = np.zeros((3, camera.rows, camera.cols))
        self.label = np.zeros((camera.rows, camera.cols), dtype=np.uint8)
        self.ray = (np.arange(camera.cols)[None, :] + (0.5 - camera.center)) / camera.focal  # (1, W), X / Z
        self.down = np.arange(camera.rows)[:, None] + (0.5 - camera.horizon)  # (H, 1), pixels below the horizon

    def veil(self, z: np.ndarray) -> np.ndarray:
        """Return the share of light that is lost to the haze over z meters."""
        return z / (z + self.haze_distance)

    def wall(self, a: Point, b: Point, low: float, high: float, light: Rgb) -> Patch | None:
        """Return the pixels of the upright rectangle over the ground line from a to b, or None if it is out of view.

        ``u`` is in meters from a; ``light`` is the light on the surface, per channel.
        """
        camera = self.camera
        (ax, az), (bx, bz) = a, b
        across, deep = bx - ax, bz - az
        if max(az, bz) <= NEAR:
            return None
        ends = []  # (column, depth) of both ends, cut off at the near plane
        for x, z in (a, b):
            if z < NEAR:
                x, z = ax + across * (NEAR - az) / deep, NEAR
            ends.append((camera.center + camera.focal * x / z, z))
        columns = _pixel_range(ends[0][0], ends[1][0], camera.cols)
        edges = [camera.horizon - camera.focal * (y - camera.altitude) / z for y in (low, high) for _, z in ends]
        rows = _pixel_range(min(edges), max(edges), camera.rows)
        if not (columns.stop > columns.start and rows.stop > rows.start):
            return None
        ray = self.ray[:, columns]
        slope = across - ray * deep
        slope[np.abs(slope) < 1e-9] = 1e-9  # columns that see the wall edge-on
        part = np.minimum(np.maximum((ray * az - ax) / slope, 0), 1)
        depth = np.maximum(az + part * deep, NEAR) if deep else np.full((1, 1), az)
        pixel = depth / camera.focal
        v = camera.altitude - self.down[rows] * pixel
        lost = self.veil(depth)
        return Patch(
            image=self.image[:, rows, columns],
            label=self.label[rows, columns],
            u=part * sqrt(across * across + deep * deep),
            v=v,
            pixel=pixel,
            inside=(v >= low) & (v <= high),
            gain=as_planes(light) * (1 - lost),
            veil=self.haze * lost,
        )

    def panel(self, corners: Sequence[tuple[float, float, float]], light: Rgb) -> Patch | None:
        """Return the pixels of a flat convex panel of any slope with corners (X, Y, Z), or None if it is out of view.

        Its ``u`` and ``v`` are in pixels: columns, and rows counted upwards.
        """
        camera, nearest = self.camera, min(z for _, _, z in corners)
        if nearest < NEAR:
            return None
        outline = [
            (camera.center + camera.focal * x / z, -camera.horizon - camera.focal * (camera.altitude - y) / z)
            for x, y, z in corners
        ]
        across, up = [u for u, _ in outline], [v for _, v in outline]
        columns = _pixel_range(min(across), max(across), camera.cols)
        rows = _pixel_range(-max(up), -min(up), camera.rows)
        if not (columns.stop > columns.start and rows.stop > rows.start):
            return None
        lost = self.veil(np.full((1, 1), nearest))
        image, label = self.image[:, rows, columns], self.label[rows, columns]
        patch = Patch(
            image=image,
            label=label,
            u=np.arange(columns.start, columns.stop)[None, :] + 0.5,
            v=-0.5 - np.arange(rows.start, rows.stop)[:, None],
            pixel=np.ones((1, 1)),
            inside=np.ones_like(label, dtype=bool),
            gain=as_planes(light) * (1 - lost),
            veil=self.haze * lost,
        )
        patch.inside = patch.polygon(*outline)
        return patch

    def billboard(self, x: float, z: float, half: float, low: float, high: float, light: Rgb) -> Patch | None:
        """Return the pixels of a rectangle that faces the camera; ``u`` is 0 at its middle."""
        half = max(half, z / self.camera.focal)
        patch = self.wall((x - half, z), (x + half, z), low, high, light)
        if patch is not None:
            patch.u = patch.u - half
        return patch


def _pixel_range(one_end: float, other_end: float, size: int) -> slice:
    """Return the range of pixels of the image whose centers are between two positions."""
    low, high = min(one_end, other_end), max(one_end, other_end)
    return slice(min(max(ceil(low - 0.5), 0), size), max(min(floor(high - 0.5) + 1, size), 0))
