"""Painters of the objects on the lots of a rendered street scene: buildings, fences, hedges and trees."""

from __future__ import annotations

import numpy as np

from ssr_mmseg.datasets.streets.canvas import Canvas, Patch, Point
from ssr_mmseg.datasets.streets.noise import Rgb, Stream, fractal_noise, fraction, sample, white_noise
from ssr_mmseg.datasets.streets.scene import BUILDING, FENCE, TREE, Light

FACADES: tuple[Rgb, ...] = (
    (0.52, 0.30, 0.22),  # brick
    (0.58, 0.42, 0.30),
    (0.66, 0.58, 0.42),  # sandstone
    (0.74, 0.71, 0.64),  # plaster
    (0.48, 0.47, 0.45),  # concrete
    (0.36, 0.36, 0.37),
    (0.82, 0.82, 0.80),
    (0.42, 0.46, 0.38),
    (0.40, 0.48, 0.58),  # glass
)
FOLIAGE: tuple[Rgb, ...] = (
    (0.16, 0.26, 0.09),
    (0.24, 0.36, 0.12),
    (0.10, 0.18, 0.09),
    (0.34, 0.36, 0.13),
    (0.40, 0.28, 0.13),  # autumn
)
FENCES: tuple[Rgb, ...] = (
    (0.12, 0.13, 0.13),  # iron
    (0.16, 0.24, 0.12),  # painted green
    (0.44, 0.33, 0.22),  # wood
    (0.34, 0.30, 0.26),
    (0.62, 0.62, 0.60),  # zinc
    (0.78, 0.77, 0.74),
)


def paint_building(
    canvas: Canvas, front: tuple[Point, Point], depth: float, height: float, light: Light, stream: Stream
) -> None:
    """Paint a building's front over the ground line from near to far, and its near end wall away from the street."""
    (x, z), side = front[0], 1 if depth > 0 else -1
    facing_sun = side != light.side
    color = stream.tint(stream.choice(FACADES))
    style, end_style = Stream(stream.bits()), Stream(stream.bits())
    end_light = light.shaded if stream.chance(0.6) else light.sunlit
    blind_end = stream.chance(0.5)
    gable = stream.uniform(1.5, 3.5) if stream.chance(0.3) else 0.0
    end = canvas.wall((x, z), (x + depth, z), 0.0, height, end_light)
    if end is not None:
        _paint_facade(end, color, height, light, end_style, plain=blind_end)
    face = canvas.wall(front[0], front[1], 0.0, height + gable, light.sunlit if facing_sun else light.shaded)
    if face is None:
        return
    if gable:
        width = stream.uniform(5, 9)
        ridge = height + gable * (1 - np.abs(2 * fraction(face.u / width) - 1))
        face.inside &= face.v <= ridge
    _paint_facade(face, color, height, light, style, plain=False)
    if facing_sun and light.strength > 0.3 and stream.chance(0.5):  # shadow of the opposite side of the street
        line = stream.uniform(0.1, 0.8) * height + 1.5 * sample(fractal_noise(), face.u, np.zeros((1, 1)), 0.1)
        face.image *= np.where(face.inside & (face.v < line), 1 - 0.5 * light.strength, 1.0)


def _paint_facade(patch: Patch, color: Rgb, height: float, light: Light, stream: Stream, plain: bool) -> None:
    """Paint the wall, windows, ground floor and roof of one face."""
    u, v, inside = patch.u, patch.v, patch.inside
    shift = stream.bits()
    stain = sample(fractal_noise(), u, v, 0.12, shift)
    grain = sample(white_noise(), u * 0.4, v, 0.09, shift) * np.clip(0.1 / patch.pixel, 0, 1)
    patch.fill(inside, color, BUILDING, 1 + 0.08 * stain + 0.12 * grain)
    ground = stream.uniform(2.8, 4.2)
    story, bay = stream.uniform(2.7, 3.4), stream.uniform(1.6, 4.0)
    half_u, half_v = stream.uniform(0.18, 0.42), stream.uniform(0.22, 0.40)
    glass = stream.tint((0.22, 0.25, 0.29), 0.4)
    roof = height - stream.uniform(0.2, 2.2) if stream.chance(0.7) else None
    tiles = stream.tint(stream.choice(((0.27, 0.27, 0.29), (0.42, 0.24, 0.19))))
    if not plain and patch.u.size > 4:  # enough columns to make out a window
        column, row = u / bay, (v - ground) / story
        off_u, off_v = np.abs(fraction(column) - 0.5), np.abs(fraction(row) - 0.5)
        upper = inside & (v > ground) & (v < height - 0.5)
        frame = upper & (off_u < half_u + 0.05) & (off_v < half_v + 0.04)
        patch.fill(frame, stream.tint(stream.choice((color, (0.8, 0.8, 0.78), (0.3, 0.3, 0.3)))))
        pane = upper & (off_u < half_u) & (off_v < half_v)
        tone = sample(white_noise(), np.floor(column), np.floor(row), 1.0, shift)  # per window: dark, sky or curtain
        shade = 1 + 0.6 * tone + 1.6 * (tone > 0.75) + 0.25 * stain
        if light.lamps:
            shade = shade + 3.5 * (tone < -0.55)
        patch.fill(pane, glass, None, shade)
        ledge = stream.uniform(0.15, 0.5)
        patch.fill(inside & (np.abs(v - ground) < ledge), stream.tint(color, 0.4))
        _paint_ground_floor(patch, ground - ledge, glass, stream)
        if stream.chance(0.5):  # rain pipes, as thin and dark as poles
            pipe = np.abs(fraction(u / stream.uniform(6, 11)) - 0.5) * 8 < np.maximum(0.07, 0.5 * patch.pixel)
            patch.fill(inside & pipe & (v < height), stream.tint((0.2, 0.2, 0.2), 0.5))
    if roof is not None:
        patch.fill(inside & (v > roof), tiles)


def _paint_ground_floor(patch: Patch, top: float, glass: Rgb, stream: Stream) -> None:
    """Paint shop windows under a colored board, or doors and windows."""
    inside, span = patch.inside, stream.uniform(3.5, 6.5)
    part = fraction(patch.u / span)
    if stream.chance(0.55):
        window = inside & (patch.v > 0.5) & (patch.v < top - 0.7) & (np.abs(part - 0.5) < 0.4)
        goods = sample(white_noise(), patch.u, patch.v, 0.35, stream.bits())
        patch.fill(window, glass, None, 1 + 0.7 * goods)
        board = inside & (patch.v > top - 0.6) & (patch.v < top)
        bright = (stream.uniform(0.1, 0.8), stream.uniform(0.1, 0.7), stream.uniform(0.1, 0.8))
        letters = sample(white_noise(), patch.u, patch.v, 0.22, stream.bits()) > 0.5
        patch.fill(board, bright, None, np.where(letters, 1.5, 1.0))
    else:
        patch.fill(inside & (patch.v < 2.2) & (np.abs(part - 0.3) < 0.1), stream.tint((0.25, 0.2, 0.2), 0.5, 0.5))
        window = inside & (patch.v > 1.0) & (patch.v < 2.4) & (np.abs(part - 0.7) < 0.17)
        patch.fill(window, glass, None, 1.1)


def paint_fence(canvas: Canvas, a: Point, b: Point, height: float, light: Rgb, stream: Stream) -> None:
    """Paint a fence over the ground line from a to b: see-through railings, boards, or a low wall.

    The gaps between the bars are labeled Fence too, as human annotators do.
    """
    patch = canvas.wall(a, b, 0.0, height, light)
    if patch is None:
        return
    color = stream.tint(stream.choice(FENCES))
    u, v = patch.u, patch.v
    kind = stream.uniform()
    grain = 0.12 * sample(fractal_noise(), u * 3, v, 0.08, stream.bits())
    if kind < 0.5:  # railings
        pitch = stream.uniform(0.12, 0.35)
        sharp = np.clip(pitch / (3 * patch.pixel), 0, 1)  # far away, bars blur into a veil
        bars = np.where(fraction(u / pitch) < 0.3, 1.0, 0.0) * sharp + 0.38 * (1 - sharp)
        posts = fraction(u / 2.4) < np.maximum(0.04, 0.4 * patch.pixel)
        thick = np.maximum(0.05, 0.5 * patch.pixel)
        rails = (np.abs(v - (height - thick)) < thick) | (np.abs(v - 0.2) < thick)
        patch.fill(patch.inside, color, FENCE, 1 + grain, np.where(rails | posts, 0.95, 0.15 + 0.8 * bars))
    elif kind < 0.8:  # boards
        pitch = stream.uniform(0.15, 0.4)
        gaps = (fraction(u / pitch) < 0.12) * np.clip(0.3 * pitch / patch.pixel, 0, 1)
        boards = 0.15 * sample(white_noise(), np.floor(u / pitch), np.zeros((1, 1)), 1.0, stream.bits())
        ribs = (fraction(u / 2.0) < 0.07) * 0.25
        patch.fill(patch.inside, color, FENCE, 1 + grain + boards - 0.5 * gaps - ribs)
    else:  # wall with a coping
        courses = 0.15 * (fraction(v / 0.22) < 0.2) * np.clip(0.1 / patch.pixel, 0, 1)
        patch.fill(patch.inside, stream.tint(stream.choice(FACADES)), FENCE, 1 + 1.5 * grain - courses)
        patch.fill(patch.inside & (v > height - 0.12), stream.tint((0.6, 0.59, 0.56)))


def paint_hedge(canvas: Canvas, a: Point, b: Point, height: float, light: Rgb, stream: Stream) -> None:
    """Paint a hedge over the ground line from a to b, labeled Tree."""
    patch = canvas.wall(a, b, 0.0, height + 0.3, light)
    if patch is None:
        return
    shift = stream.bits()
    noise = sample(fractal_noise(), patch.u, patch.v, 0.04, shift)
    leaves = sample(white_noise(), patch.u, patch.v, 0.07, shift) * np.clip(0.1 / patch.pixel, 0.3, 1)
    shape = patch.inside & (patch.v < height + 0.3 * noise)
    shade = 0.75 + 0.35 * patch.v / height + 0.2 * noise + 0.25 * leaves
    patch.fill(shape, stream.tint(stream.choice(FOLIAGE[:4])), TREE, shade)


def paint_tree(canvas: Canvas, at: Point, height: float, light: Rgb, sun: Light, stream: Stream) -> None:
    """Paint a tree: trunk, branches and a crown of leaves with see-through gaps."""
    x, z = at
    spread = height * stream.uniform(0.28, 0.46)
    patch = canvas.billboard(x, z, 1.25 * spread, 0.0, 1.05 * height, light)
    if patch is None:
        return
    fork = height * stream.uniform(0.25, 0.42)
    bark = stream.tint((0.26, 0.22, 0.18), 0.3)
    radius = stream.uniform(0.09, 0.22)
    patch.fill(patch.limb((0, 0), (stream.uniform(-0.3, 0.3), fork * 1.4), radius), bark, TREE)
    density = stream.choice((0.15, 0.3, 0.3, 0.6, 1.1))  # sparseness of the leaves; the last is nearly bare
    for _ in range(4 if density > 0.5 else 0):
        tip = (stream.uniform(-0.7, 0.7) * spread, height * stream.uniform(0.6, 0.9))
        patch.fill(patch.limb((0, fork), tip, radius * 0.4), bark, TREE)
    crown: float | np.ndarray = -4.0
    conifer = stream.chance(0.15)
    for _ in range(5):
        up = stream.uniform(0.1, 0.85)
        width = spread * (1.05 - up) if conifer else spread * stream.uniform(0.45, 0.75)
        lateral = 0.0 if conifer else stream.uniform(-0.55, 0.55) * spread
        across = (patch.u - lateral) / width
        rise = (patch.v - fork - up * (height - fork)) / (0.24 * height)
        crown = np.maximum(crown, 1 - across * across - rise * rise)
    shift = stream.bits()
    clump = sample(fractal_noise(), patch.u, patch.v, height * 0.006, shift)
    leaves = sample(white_noise(), patch.u, patch.v, 0.06, shift) * np.clip(0.1 / patch.pixel, 0.35, 1)
    shape = patch.inside & (crown + 0.55 * clump + 0.38 * leaves > density)
    slope = 0.12 + 0.2 * sun.strength
    shade = 0.85 + slope * (sun.side * patch.u / spread + (patch.v / height - 0.6)) + 0.28 * clump + 0.22 * leaves
    patch.fill(shape, stream.tint(stream.choice(FOLIAGE)), TREE, np.maximum(shade, 0.25))
