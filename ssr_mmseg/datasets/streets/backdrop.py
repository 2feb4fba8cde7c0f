"""Sky, skyline and ground of the rendered street scenes, and the camera model that develops the finished frame."""

from __future__ import annotations

from math import floor

import numpy as np

from ssr_mmseg.datasets.streets.canvas import Canvas, as_planes
from ssr_mmseg.datasets.streets.noise import Rgb, Stream, fractal_noise, fraction, hash32, sample, white_noise
from ssr_mmseg.datasets.streets.scene import BUILDING, FAR, LEFT, PAVEMENT, RIGHT, ROAD, SKY, TREE, Scene


def paint_sky(canvas: Canvas, scene: Scene, stream: Stream) -> None:
    """Paint a gradient, clouds that flatten towards the horizon, and the glare of a low sun."""
    camera, light = canvas.camera, scene.light
    rows = min(canvas.image.shape[1], floor(camera.horizon) + 1)
    up = (camera.horizon - np.arange(rows)[:, None] - 0.5) / camera.rows  # (h, 1)
    across = (np.arange(camera.cols)[None, :] + 0.5) / camera.cols  # (1, W)
    height = np.clip(up * 2.2, 0, 1)
    sky = as_planes(light.zenith) * height + as_planes(light.horizon) * (1 - height)
    distance = 1 / (np.maximum(up, 0) + 0.12)
    noise = sample(fractal_noise(), (across - 0.5) * distance, distance * 1.4, 0.02, stream.bits())
    cover = np.clip(0.5 + light.cloudiness + 1.1 * noise, 0, 1)
    lit = as_planes(light.cloud) * (0.92 + 0.16 * noise)
    sky = sky * (1 - 0.9 * cover) + lit * (0.9 * cover)
    if light.strength > 0.3 and light.reach > 0.8:
        lateral = across - (0.5 + light.side * stream.uniform(0.1, 0.5))
        above = (up - stream.uniform(0.1, 0.4)) * camera.rows / camera.cols
        glare = 0.03 / (0.03 + lateral * lateral + above * above)
        sky = sky + as_planes(light.sunlit) * (0.5 * glare)
    canvas.image[:, :rows] = sky
    canvas.label[:rows] = SKY


def paint_skyline(canvas: Canvas, scene: Scene, stream: Stream) -> None:
    """Paint the band of distant trees and houses at the end of the street."""
    middle = scene.bent(0.0, FAR)[0]
    half = 1.2 * FAR + abs(middle)
    patch = canvas.wall((middle - half, FAR), (middle + half, FAR), 0.0, 40.0, scene.light.sunlit)
    if patch is None:
        return
    shift = stream.bits()
    noise = sample(fractal_noise(), patch.u, patch.v, 0.5, shift)
    crowns = 5.0 + stream.uniform(0, 4) + 4.0 * sample(fractal_noise(), patch.u, np.zeros((1, 1)), 0.8, shift)
    patch.fill(patch.v < crowns + 1.5 * noise, stream.tint((0.28, 0.36, 0.22)), TREE, 0.8 + 0.4 * noise)
    blocks = np.floor(patch.u / stream.uniform(9, 16))
    roofs = 9.0 + 9.0 * sample(white_noise(), blocks, np.zeros((1, 1)), 1.0, shift)
    windows = (fraction(patch.u / 3) < 0.4) & (fraction(patch.v / 3) < 0.5)
    patch.fill(patch.v < roofs, stream.tint((0.55, 0.52, 0.5)), BUILDING, np.where(windows, 0.6, 1.0) + 0.1 * noise)


def paint_ground(canvas: Canvas, scene: Scene, stream: Stream) -> None:
    """Paint the road, lane markings, curbs and pavements, and the shadows that the lots cast on them."""
    camera = canvas.camera
    top = min(max(floor(camera.horizon + 0.5), 0), camera.rows)
    z = np.minimum(camera.focal * camera.altitude / np.maximum(canvas.down[top:], 1e-3), 400.0)  # (h, 1)
    bent = np.minimum(z, FAR)
    x = canvas.ray * z - scene.bend * bent * bent  # (h, W), road coordinates
    pixel = z / camera.focal
    left, right = scene.curbs[LEFT], scene.curbs[RIGHT]
    road = (x > left) & (x < right)
    if scene.junction is not None:
        road |= (z > scene.junction[0]) & (z < scene.junction[1])

    grain = sample(white_noise(), x, z, 0.03, stream.bits()) * np.clip(0.06 / pixel, 0.15, 1)
    stain = sample(fractal_noise(), x, z, 0.05, stream.bits())
    broad = sample(fractal_noise(), x, z, 0.4, stream.bits())
    gray = stream.tint((0.34, 0.335, 0.33), 0.3, 0.05)
    value = np.where(road, _road_shade(x, z, stream), _paving_shade(x, z, pixel, stream))
    value *= 1 + 0.10 * grain + 0.09 * stain + 0.08 * broad
    paving = gray if stream.chance(0.35) else stream.tint((0.46, 0.44, 0.42), 0.28, 0.1)
    image = np.where(road, as_planes(gray), as_planes(paving)) * value
    bright = 1 + 0.1 * grain
    for mask, color in _markings(scene, x, z, pixel, stream):
        worn = mask & road & (stain + 0.6 * grain < 0.45)
        np.copyto(image, as_planes(color) * bright, where=worn)
    curb = ~road & (x > left - 0.16) & (x < right + 0.16)
    np.copyto(image, as_planes(stream.tint((0.5, 0.5, 0.48), 0.3)) * bright, where=curb)

    shadow = _lot_shadow(scene, x, z + 1.2 * stain)
    lost = canvas.veil(z)
    image *= np.where(shadow, as_planes(scene.light.shaded), as_planes(scene.light.sunlit))
    image *= 1 - lost
    image += canvas.haze * lost
    canvas.image[:, top:] = image
    canvas.label[top:] = np.where(road, ROAD, PAVEMENT)


def darken_ground(canvas: Canvas, center: tuple[float, float], half: tuple[float, float], amount: float) -> None:
    """Darken the ground within a soft ellipse, given X and Z of its center and its half axes, in meters."""
    camera = canvas.camera
    (x, z), (half_x, half_z) = center, half
    near, far = z - half_z, z + half_z
    if far < 1.0 or far > FAR:
        return
    drop = camera.focal * camera.altitude
    rows = slice(
        min(max(floor(camera.horizon + drop / far), 0), camera.rows),
        min(floor(camera.horizon + drop / max(near, 0.5)) + 1, camera.rows),
    )
    columns = [camera.center + camera.focal * (x + s * half_x) / max(d, 0.5) for s in (-1, 1) for d in (near, far)]
    cols = slice(min(max(floor(min(columns)), 0), camera.cols), min(max(floor(max(columns)) + 1, 0), camera.cols))
    if rows.stop <= rows.start or cols.stop <= cols.start:
        return
    depth = drop / np.maximum(canvas.down[rows], 1e-3)
    across = canvas.ray[:, cols] * depth
    away_x, away_z = (across - x) / half_x, (depth - z) / half_z
    inside = np.minimum(np.maximum(2.5 * (1 - away_x * away_x - away_z * away_z), 0), 1)
    canvas.image[:, rows, cols] *= 1 - amount * inside


def develop(canvas: Canvas, scene: Scene, stream: Stream) -> np.ndarray:
    """Return the (H, W, 3) uint8 photograph after lens blur, vignetting, exposure, tone curve and sensor noise."""
    image, (rows, cols) = canvas.image, canvas.label.shape  # changed in place
    softness, falloff, curve = stream.uniform(0.08, 0.22), stream.uniform(0, 0.7), stream.uniform(0.3, 0.6)
    amplitude = 255 * stream.uniform(0.02, 0.09)
    for _ in range(stream.integer(1, 2) + (rows >= 256)):
        _blur(image, softness)
    y, x = (np.arange(rows)[:, None] + 0.5) / rows - 0.5, (np.arange(cols)[None, :] + 0.5) / cols - 0.5
    image *= 1 - falloff * (x * x + y * y)
    image *= as_planes(scene.light.exposure)
    np.clip(image, 0, 1.4, out=image)
    image *= (1 + curve) - curve * image  # lift the shadows, like a camera's gamma
    words = hash32(np.arange(image.size, dtype=np.uint32), stream.bits()).reshape(image.shape)
    noise = ((words & np.uint32(0xFFFF)) + (words >> np.uint32(16))).astype(np.float64)  # triangular, 0 to 131070
    noise *= amplitude / 65535
    image *= 255
    image += noise
    image += 0.5 - amplitude
    np.floor(image, out=image)
    np.clip(image, 0, 255, out=image)
    return np.ascontiguousarray(image.astype(np.uint8).transpose(1, 2, 0))


def _road_shade(x: np.ndarray, z: np.ndarray, stream: Stream) -> np.ndarray:
    """Return the brightness of the asphalt, with wheel tracks and repaired patches."""
    tracks = np.abs(fraction(x / 1.75 + stream.uniform()) - 0.5)
    cell = sample(white_noise(), np.floor(x / 1.4), np.floor(z / stream.uniform(3, 8)), 1.0, stream.bits())
    return np.where(cell > 0.72, stream.uniform(0.7, 1.2), 1.0) * (0.95 + 0.2 * tracks)


def _paving_shade(x: np.ndarray, z: np.ndarray, pixel: np.ndarray, stream: Stream) -> np.ndarray:
    """Return the brightness of the pavement: plain asphalt, or slabs with joints."""
    slab = stream.choice((0.0, 0.4, 0.6, 0.9))
    if slab == 0.0:
        return np.ones_like(x)
    joints = (fraction(x / slab) < 0.07) | (fraction(z / slab) < 0.07)
    tone = sample(white_noise(), np.floor(x / slab), np.floor(z / slab), 1.0, stream.bits())
    return 1 + (0.08 * tone - 0.3 * joints) * np.clip(0.1 * slab / pixel, 0, 1)


def _markings(
    scene: Scene, x: np.ndarray, z: np.ndarray, pixel: np.ndarray, stream: Stream
) -> list[tuple[np.ndarray, Rgb]]:
    """Return the masks and colors of lane and edge lines, stop lines and crosswalks."""
    white, yellow = stream.tint((0.8, 0.8, 0.78), 0.15, 0.03), stream.tint((0.78, 0.62, 0.2), 0.15)
    clear = np.ones_like(z, dtype=bool)
    if scene.junction is not None:
        clear = (z < scene.junction[0] - 4) | (z > scene.junction[1] + 4)
    half = np.maximum(0.07, 0.4 * pixel)
    markings = []
    if stream.chance(0.85):
        period, dash = stream.uniform(3, 8), stream.choice((0.4, 0.5, 0.65, 1.0))
        center = (np.abs(x - scene.lane) < half) & (fraction(z / period) < dash) & clear
        markings.append((center, white))
    if stream.chance(0.6):
        color = stream.choice((white, yellow))
        for side in (LEFT, RIGHT):
            markings.append(((np.abs(x - scene.curbs[side] + side * 0.3) < half) & clear, color))
    if scene.junction is not None or stream.chance(0.3):
        start = scene.junction[0] - 3.2 if scene.junction is not None else stream.uniform(7, 25)
        inside = (x > scene.curbs[LEFT]) & (x < scene.curbs[RIGHT])
        if stream.chance(0.6):
            markings.append(((z > start) & (z < start + 2.6) & (fraction(x / 1.0) < 0.5) & inside, white))
        else:
            markings.append(((z > start) & (z < start + 0.4 + pixel) & inside, white))
    return markings


def _lot_shadow(scene: Scene, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the mask of the ground in the shadow of the lots on the sun's side."""
    light = scene.light
    lots = [lot for lot in scene.lots if lot.side == light.side]
    if light.strength < 0.2 or not lots:
        return np.zeros_like(x, dtype=bool)
    bounds = np.array([edge for lot in lots for edge in (lot.start, lot.end)])  # ascending, because lots do not overlap
    heights = np.array([0.0] + [height for lot in lots for height in (lot.height, 0.0)])
    distance = (scene.fronts[light.side] - x) * light.side
    source = z - light.slant * distance
    return distance < heights[np.searchsorted(bounds, source, side="right")] * light.reach


def _blur(image: np.ndarray, weight: float) -> None:
    """Blur in place: neighbors along each axis exchange a share `weight` of their difference."""
    for before, after in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:, :, :-1], np.s_[:, :, 1:])):
        step = image[after] - image[before]
        step *= weight
        image[before] += step
        image[after] -= step
