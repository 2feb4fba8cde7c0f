"""Painters of the objects on the street of a rendered scene: poles, signs, cars, pedestrians and bicyclists."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ssr_mmseg.datasets.streets.canvas import Canvas, Patch, Point
from ssr_mmseg.datasets.streets.noise import Rgb, Stream
from ssr_mmseg.datasets.streets.scene import BICYCLIST, CAR, PEDESTRIAN, POLE, SIGN

PAINTS: tuple[Rgb, ...] = (
    (0.72, 0.72, 0.73),
    (0.45, 0.46, 0.48),
    (0.30, 0.31, 0.33),
    (0.10, 0.10, 0.11),
    (0.85, 0.85, 0.85),
    (0.50, 0.08, 0.08),
    (0.10, 0.16, 0.40),
    (0.12, 0.25, 0.17),
    (0.55, 0.48, 0.36),
)
CLOTHES: tuple[Rgb, ...] = (
    (0.08, 0.08, 0.09),
    (0.14, 0.16, 0.26),
    (0.32, 0.32, 0.33),
    (0.55, 0.50, 0.42),
    (0.70, 0.70, 0.70),
    (0.50, 0.12, 0.12),
    (0.20, 0.28, 0.18),
    (0.28, 0.20, 0.14),
    (0.70, 0.75, 0.15),
)
SKINS: tuple[Rgb, ...] = ((0.72, 0.54, 0.44), (0.56, 0.40, 0.30), (0.32, 0.22, 0.17))
GLASS: Rgb = (0.13, 0.15, 0.17)
RUBBER: Rgb = (0.07, 0.07, 0.07)


def paint_lamp_post(canvas: Canvas, at: Point, side: int, lit: bool, light: Rgb, stream: Stream) -> None:
    """Paint a lamp post that reaches over the street from its side, or a utility pole with crossarms."""
    height = stream.uniform(5.0, 9.5)
    patch = canvas.billboard(at[0], at[1], 2.2, 0.0, height + 0.4, light)
    if patch is None:
        return
    color = stream.tint(stream.choice(((0.30, 0.31, 0.32), (0.50, 0.51, 0.50), (0.14, 0.20, 0.16), (0.33, 0.26, 0.2))))
    radius = stream.uniform(0.06, 0.12)
    shape = patch.post(0, 0, height, radius) | patch.post(0, 0, 1.2, 1.5 * radius)
    if stream.chance(0.75):
        reach = -side * stream.uniform(0.8, 1.9)
        shape |= patch.limb((0, height), (reach, height + 0.2), radius * 0.6)
        head = patch.ellipse(reach, height + 0.12, 0.4, 0.13)
        patch.fill(shape, color, POLE)
        patch.fill(head, (1.6, 1.4, 0.9) if lit else color, POLE)
    else:
        for drop in (0.3, 0.8):
            shape |= patch.limb((-0.9, height - drop), (0.9, height - drop), 0.05)
        patch.fill(shape, color, POLE)


def paint_bollard(canvas: Canvas, at: Point, light: Rgb, stream: Stream) -> None:
    """Paint a bollard, labeled Pole."""
    patch = canvas.billboard(at[0], at[1], 0.2, 0.0, 1.1, light)
    if patch is None:
        return
    shape = patch.post(0, 0, stream.uniform(0.8, 1.0), 0.09)
    patch.fill(shape, stream.tint(stream.choice(((0.1, 0.1, 0.1), (0.4, 0.4, 0.4), (0.5, 0.3, 0.2)))), POLE)
    patch.fill(shape & (np.abs(patch.v - 0.7) < 0.08), (0.75, 0.75, 0.72))


def paint_sign(canvas: Canvas, at: Point, light: Rgb, stream: Stream) -> None:
    """Paint a traffic sign on its post: a disc, a triangle or a board."""
    kind = stream.integer(0, 3)
    size = stream.uniform(0.3, 0.48) * (1.8 if kind == 3 else 1.0)
    middle = stream.uniform(2.2, 3.0) + (0.5 if kind == 3 else 0.0)
    patch = canvas.billboard(at[0], at[1], 1.5 * size, 0.0, middle + 1.5 * size, light)
    if patch is None:
        return
    gray = stream.tint((0.42, 0.43, 0.44), 0.3)
    patch.fill(patch.post(0, 0, middle, 0.04), gray, POLE)
    if stream.chance(0.2):  # seen from behind
        patch.fill(patch.ellipse(0, middle, size, size), gray, SIGN, 0.8)
        return
    red, white = (0.72, 0.08, 0.08), (0.88, 0.88, 0.86)
    if kind == 0:
        patch.fill(patch.ellipse(0, middle, size, size), red, SIGN)
        patch.fill(patch.ellipse(0, middle, 0.72 * size, 0.72 * size), white)
        patch.fill(patch.box(-0.35 * size, 0.35 * size, middle - 0.25 * size, middle + 0.25 * size), (0.1, 0.1, 0.1))
    elif kind == 1:
        for scale, color in ((1.15, red), (0.7, white)):
            low, half = middle - 0.55 * size * scale, size * scale
            patch.fill(patch.polygon((-half, low), (half, low), (0, low + 1.75 * half)), color, SIGN)
    elif kind == 2:
        blue = stream.choice(((0.05, 0.2, 0.6), (0.8, 0.7, 0.1)))
        patch.fill(patch.box(-size, size, middle - size, middle + size), blue, SIGN)
        patch.fill(patch.box(-0.25 * size, 0.25 * size, middle - 0.6 * size, middle + 0.6 * size), white)
    else:
        board = stream.choice(((0.06, 0.3, 0.18), (0.1, 0.25, 0.55), (0.85, 0.85, 0.83)))
        patch.fill(patch.box(-1.3 * size, 1.3 * size, middle - 0.7 * size, middle + 0.7 * size), board, SIGN)
        for line in (-0.25, 0.3):
            mark = patch.box(-size, 0.8 * size, middle + (line - 0.1) * size, middle + (line + 0.1) * size)
            patch.fill(mark, (0.15, 0.15, 0.15) if board[0] > 0.5 else white)


def paint_traffic_light(canvas: Canvas, at: Point, light: Rgb, stream: Stream) -> None:
    """Paint a traffic light: the post is labeled Pole, the head SignSymbol."""
    patch = canvas.billboard(at[0], at[1], 0.5, 0.0, 3.8, light)
    if patch is None:
        return
    patch.fill(patch.post(0, 0, 2.6, 0.06), stream.tint((0.3, 0.3, 0.3), 0.5), POLE)
    patch.fill(patch.box(-0.3, 0.3, 2.4, 3.6), (0.05, 0.05, 0.05), SIGN)
    patch.fill(patch.box(-0.34, 0.34, 2.36, 3.64) & ~patch.box(-0.26, 0.26, 2.44, 3.56), (0.7, 0.7, 0.68), SIGN)
    lit = stream.integer(0, 2)
    for place, color in enumerate(((1.3, 0.15, 0.1), (1.2, 0.7, 0.1), (0.1, 1.1, 0.5))):
        if place == lit:
            patch.fill(patch.ellipse(0, 3.35 - 0.37 * place, 0.15, 0.15), color)


@dataclass(frozen=True)
class CarBody:
    """Overall size, waistline, hood length, and horizontal run of the slanted rear window, in meters."""

    length: float
    width: float
    height: float
    waist: float
    hood: float
    slant: float

    @property
    def brow(self) -> float:
        """Distance from the front to the upper edge of the windshield."""
        return self.hood + (0.3 + 0.45 * (self.height - self.waist) if self.height < 3 else 0.05)


BODIES = (
    CarBody(3.9, 1.70, 1.48, 0.90, 1.15, 0.45),  # hatchback
    CarBody(4.5, 1.76, 1.43, 0.88, 1.35, 1.15),  # sedan
    CarBody(4.6, 1.85, 1.75, 1.02, 1.25, 0.30),  # SUV
    CarBody(5.2, 1.95, 2.35, 1.20, 0.80, 0.05),  # van
)
BUS = CarBody(10.5, 2.5, 3.1, 1.15, 0.15, 0.05)


def paint_car(canvas: Canvas, at: Point, ahead: Point, body: CarBody, light: Rgb, stream: Stream) -> None:
    """Paint the visible side and end of a car centered at a point of the ground, its front towards `ahead`."""
    norm = sqrt(ahead[0] * ahead[0] + ahead[1] * ahead[1])
    fx, fz = ahead[0] / norm, ahead[1] / norm
    rx, rz = fz, -fx  # to the driver's right
    half, reach = body.width / 2, body.length / 2
    color = stream.tint(stream.choice(PAINTS), 0.15, 0.05)
    # A face with outward normal n at point p is visible if n · p < 0, because the camera is the origin.
    flank = 1 if (at[0] + half * rx) * rx + (at[1] + half * rz) * rz < 0 else -1
    front = (at[0] + reach * fx) * fx + (at[1] + reach * fz) * fz < 0

    def corner(along: float, lateral: float) -> Point:
        return at[0] + along * fx + lateral * rx, at[1] + along * fz + lateral * rz

    def paint_panel(low: Point, high: Point, margin: float, color: Rgb) -> None:
        """Paint a panel across the body between two lines given as (along, height)."""
        ends = ((low, -half + margin), (low, half - margin), (high, half - margin), (high, -half + margin))
        points = [(corner(along, lateral), y) for (along, y), lateral in ends]
        panel = canvas.panel([(x, y, z) for (x, z), y in points], light)
        if panel is not None:
            panel.fill(panel.inside, color, CAR)

    rear_edge = (-reach, body.waist)
    nose, cowl = (reach - 0.08, 0.72 * body.waist), (reach - body.hood, body.waist)
    brow, back = (reach - body.brow, body.height), (-reach + 0.08 + body.slant, body.height)
    bright = (1.12 * color[0], 1.12 * color[1], 1.12 * color[2])
    paint_panel(back, brow, 0.0, bright)
    if front:
        paint_panel(cowl, brow, 0.0, color)
        paint_panel(_between(cowl, brow, 0.08), _between(cowl, brow, 0.9), 0.12, GLASS)
        paint_panel(nose, cowl, 0.0, bright)
    else:
        paint_panel(rear_edge, back, 0.0, color)
        paint_panel(_between(rear_edge, back, 0.1), _between(rear_edge, back, 0.85), 0.15, GLASS)
    side = canvas.wall(corner(reach, flank * half), corner(-reach, flank * half), 0.0, body.height, light)
    if side is not None:
        _paint_flank(side, body, color)
    end = reach if front else -reach
    face = canvas.wall(corner(end, -half), corner(end, half), 0.0, body.waist, light)
    if face is not None:
        _paint_end(face, body, color, front, stream)


def _between(start: Point, end: Point, part: float) -> Point:
    """Return the point at the given fraction of the way."""
    return start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])


def _paint_flank(patch: Patch, body: CarBody, color: Rgb) -> None:
    """Paint the side of a car: ``u`` runs from the front bumper to the rear one."""
    length, waist, hood, slant = body.length, body.waist, body.hood, body.slant
    hull = patch.polygon((0.0, 0.25), (length, 0.25), (length, waist), (hood, waist), (0.08, 0.72 * waist))
    roof = body.brow
    cabin = patch.polygon(
        (hood, waist), (length - 0.08, waist), (length - 0.08 - slant, body.height), (roof, body.height)
    )
    patch.fill(hull, color, CAR, 0.82)
    patch.fill(cabin, color, CAR, 0.9)
    low, high = waist + 0.04, body.height - 0.12
    rear = length - 0.25 - (0.9 if 2 < body.height < 3 else 0.0)  # a van has no rear side windows
    panes = patch.polygon((hood + 0.25, low), (rear, low), (rear - 0.85 * slant, high), (roof + 0.08, high))
    pillar = np.abs(patch.u - (hood + rear) / 2 - 0.2) < 0.05
    patch.fill(panes & ~pillar, GLASS)
    radius = 0.31 if body.height < 3 else 0.48
    for axle in (0.19 * length, 0.8 * length):
        patch.fill(patch.ellipse(axle, radius, radius * 1.08, radius), RUBBER, CAR)
        patch.fill(patch.ellipse(axle, radius, radius * 0.6, radius * 0.6), (0.45, 0.45, 0.46))


def _paint_end(patch: Patch, body: CarBody, color: Rgb, front: bool, stream: Stream) -> None:
    """Paint the lower front or rear of a car: wheels, bumper, lights and license plate."""
    width, waist = body.width, body.waist
    for wheel in (0.04, width - 0.28):
        patch.fill(patch.box(wheel, wheel + 0.24, 0.0, 0.4), RUBBER, CAR)
    top = waist if not front else 0.74 * waist
    patch.fill(patch.box(0, width, 0.25, top), color, CAR)
    patch.fill(patch.box(0.02, width - 0.02, 0.25, 0.42), stream.choice((color, (0.15, 0.15, 0.15))), None, 0.8)
    bulbs = ((0.8, 0.8, 0.75), (1.5, 1.45, 1.2)) if front else ((0.5, 0.04, 0.04), (1.2, 0.1, 0.08))
    lamp = stream.choice(bulbs)
    height = 0.56 * waist
    for edge in (0.06, width - 0.38):
        patch.fill(patch.box(edge, edge + 0.32, height, height + 0.16), lamp)
    plate = (0.85, 0.85, 0.83) if front else (0.8, 0.68, 0.2)
    patch.fill(patch.box(width / 2 - 0.26, width / 2 + 0.26, 0.44, 0.55), plate)
    if front:
        patch.fill(patch.box(0.45, width - 0.45, 0.57, 0.68), (0.06, 0.06, 0.06))


def paint_pedestrian(canvas: Canvas, at: Point, light: Rgb, stream: Stream) -> None:
    """Paint a standing or walking person."""
    height = stream.uniform(1.5, 1.9) * (0.65 if stream.chance(0.12) else 1.0)
    patch = canvas.billboard(at[0], at[1], 0.5 * height, 0.0, height, light)
    if patch is None:
        return
    s, stride = height / 1.75, stream.uniform(0.0, 0.28)
    top, legs = stream.tint(stream.choice(CLOTHES)), stream.tint(stream.choice(CLOTHES[:5]))
    skin = stream.tint(stream.choice(SKINS))
    for foot in (-stride, stride + 0.04):
        patch.fill(patch.limb((foot * s, 0.06 * s), (0.05 * s, 0.85 * s), 0.085 * s), legs, PEDESTRIAN, 1 - 0.4 * foot)
    if stream.chance(0.3):  # coat or skirt
        patch.fill(patch.polygon((-0.26 * s, 0.5 * s), (0.28 * s, 0.5 * s), (0.18 * s, 1.1 * s), (-0.16 * s, 1.1 * s)),
                   top, PEDESTRIAN)  # fmt: skip
    patch.fill(patch.limb((0.02 * s, 0.95 * s), (0.02 * s, 1.32 * s), 0.2 * s), top, PEDESTRIAN)
    swing = stream.uniform(-0.25, 0.25)
    for hand in (-0.22 + swing, 0.26 - swing):
        patch.fill(patch.limb(((0.2 if hand > 0 else -0.16) * s, 1.38 * s), (hand * s, 0.85 * s), 0.055 * s),
                   top, PEDESTRIAN, 0.85)  # fmt: skip
    patch.fill(patch.ellipse(0.02 * s, 1.62 * s, 0.105 * s, 0.135 * s), skin, PEDESTRIAN)
    patch.fill(patch.ellipse(0.02 * s, 1.68 * s, 0.11 * s, 0.08 * s), stream.tint((0.16, 0.12, 0.09), 0.5), PEDESTRIAN)
    if stream.chance(0.3):  # bag
        patch.fill(patch.box(0.2 * s, 0.42 * s, 0.55 * s, 0.85 * s), stream.tint(stream.choice(CLOTHES)), PEDESTRIAN)


def paint_bicyclist(canvas: Canvas, at: Point, sideways: bool, light: Rgb, stream: Stream) -> None:
    """Paint a bicycle and its rider, seen from the side or from an end."""
    patch = canvas.billboard(at[0], at[1], 1.05, 0.0, 1.85, light)
    if patch is None:
        return
    way = stream.sign()
    patch.u = patch.u * way  # the code below draws a rider heading right
    frame = stream.tint(stream.choice(PAINTS), 0.3)
    top, legs = stream.tint(stream.choice(CLOTHES)), stream.tint(stream.choice(CLOTHES[:5]))
    skin = stream.tint(stream.choice(SKINS))
    if sideways:
        for hub in (-0.52, 0.52):
            rim = np.maximum(0.05, patch.pixel)
            across, up = patch.u - hub, patch.v - 0.34
            wheel = across * across + up * up
            patch.fill((wheel <= 0.34 * 0.34) & (wheel >= (0.34 - rim) * (0.34 - rim)), RUBBER, BICYCLIST)
        for a, b in (((-0.52, 0.34), (-0.1, 0.36)), ((-0.1, 0.36), (0.38, 0.85)), ((0.38, 0.95), (0.52, 0.34)),
                     ((-0.1, 0.36), (-0.22, 0.92)), ((-0.2, 0.8), (0.38, 0.8))):  # fmt: skip
            patch.fill(patch.limb(a, b, 0.03), frame, BICYCLIST)
        hip, neck, hand, head = (-0.22, 1.0), (0.12, 1.48), (0.4, 1.0), (0.2, 1.66)
        for knee, foot in (((0.12, 0.75), (-0.02, 0.2)), ((0.2, 0.9), (0.02, 0.48))):
            patch.fill(patch.limb(hip, knee, 0.085) | patch.limb(knee, foot, 0.065), legs, BICYCLIST)
    else:
        patch.fill(patch.limb((0, 0.05), (0, 0.66), 0.04), RUBBER, BICYCLIST)
        patch.fill(patch.limb((-0.28, 0.98), (0.28, 0.98), 0.03), frame, BICYCLIST)
        for lateral in (-0.14, 0.14):
            patch.fill(patch.limb((lateral, 0.2 + lateral), (lateral * 0.8, 0.95), 0.08), legs, BICYCLIST)
        hip, neck, hand, head = (0.0, 1.0), (0.0, 1.42), (0.26, 1.0), (0.0, 1.66)
        patch.fill(patch.limb((-0.14, 1.4), (-0.26, 1.0), 0.055), top, BICYCLIST, 0.85)
    patch.fill(patch.limb(hip, neck, 0.17), top, BICYCLIST)
    patch.fill(patch.limb(neck, hand, 0.055), top, BICYCLIST, 0.85)
    patch.fill(patch.ellipse(head[0], head[1], 0.11, 0.14), skin, BICYCLIST)
    helmet = stream.choice(((0.16, 0.12, 0.09), (0.8, 0.8, 0.8), (0.6, 0.1, 0.1)))
    patch.fill(patch.ellipse(head[0], head[1] + 0.06, 0.12, 0.09), helmet, BICYCLIST)
