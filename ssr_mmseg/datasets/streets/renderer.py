"""Renderer of the `streets` dataset: procedural street scenes with the 11 classes of CamVid and exact labels.

A frame is drawn in three steps: draw a scene, list its objects with their depths, and paint them from far to near. The
layout does not depend on the image size; texture, noise and the outermost pixels of an outline do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ssr_mmseg.datasets.streets import backdrop, buildings, objects
from ssr_mmseg.datasets.streets.canvas import Canvas
from ssr_mmseg.datasets.streets.noise import Rgb, Stream
from ssr_mmseg.datasets.streets.scene import LEFT, RIGHT, Lot, Scene, draw_camera, draw_scene
from ssr_mmseg.utils.errors import UserError


def render_scene(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Render frame `index` of the stream `seed`, the same bytes on every machine and in any order of calls.

    Args:
        size: Height and width in pixels, multiples of 8, at least 32 x 64.

    Returns:
        The image (H, W, 3) uint8 RGB and the label (H, W) uint8, an index into `camvid.CLASSES`.

    Raises:
        UserError: The size is too small or not a multiple of 8.
    """
    rows, cols = size
    if rows < 32 or cols < 64 or rows % 8 or cols % 8:
        raise UserError(
            f"expected a height and width that are multiples of 8, at least 32 x 64, got {rows} x {cols}; "
            "choose for example 96 x 192"
        )
    scene = draw_scene(Stream(seed, index, 1))
    camera = draw_camera(Stream(seed, index, 2), rows, cols)
    canvas = Canvas(camera, scene.light.horizon, scene.light.haze_distance)
    stage = Stage(canvas, scene)
    for key, place in enumerate(PLACEMENTS):
        place(stage, Stream(seed, index, 3, key))
    backdrop.paint_sky(canvas, scene, Stream(seed, index, 4))
    backdrop.paint_ground(canvas, scene, Stream(seed, index, 5))
    for center, half, amount in stage.shadows:
        backdrop.darken_ground(canvas, center, half, amount)
    backdrop.paint_skyline(canvas, scene, Stream(seed, index, 6))
    for _, paint in sorted(stage.painters, key=lambda painter: -painter[0]):
        paint()
    return backdrop.develop(canvas, scene, Stream(seed, index, 7)), canvas.label


@dataclass
class Stage:
    """The objects of a scene: painters with their depth in meters, and shadows on the ground."""

    canvas: Canvas
    scene: Scene
    painters: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    shadows: list[tuple[tuple[float, float], tuple[float, float], float]] = field(default_factory=list)

    def add(self, depth: float, paint: Callable[..., None], *args: object) -> None:
        """Add a painter, to be called with the canvas and the arguments."""
        self.painters.append((depth, lambda: paint(self.canvas, *args)))

    def light(self, x: float, z: float) -> Rgb:
        """Return the light at a road coordinate."""
        return self.scene.light_at(x, z)

    def shade(self, x: float, z: float, height: float, radius: float) -> None:
        """Add the shadow of an object at a road coordinate: soft below it, and long where the sun reaches it."""
        light, (bent_x, _) = self.scene.light, self.scene.bent(x, z)
        self.shadows.append(((bent_x, z), (1.3 * radius, 1.3 * radius), 0.35))
        if light.strength > 0.2 and self.light(x, z) != light.shaded:
            reach = min(height * light.reach, 12.0)
            middle = bent_x - light.side * reach / 2
            self.shadows.append(((middle, z), (reach / 2 + radius, max(radius, 0.12)), 0.55 * light.strength))


def place_lots(stage: Stage, stream: Stream) -> None:
    """Place the objects of each lot according to its kind."""
    for lot in stage.scene.lots:
        lot_stream = Stream(stream.bits())
        if lot.kind == "building":
            _place_building(stage, lot, lot.front, lot.height, lot_stream)
        elif lot.kind == "park":
            _place_park(stage, lot, lot_stream)
        else:
            _place_yard(stage, lot, lot_stream)


def _place_building(stage: Stage, lot: Lot, x: float, height: float, stream: Stream) -> None:
    scene = stage.scene
    front = scene.bent(x, lot.start), scene.bent(x, lot.end)
    stage.add(lot.end, buildings.paint_building, front, lot.side * 12.0, height, scene.light, Stream(stream.bits()))
    if x != scene.fronts[lot.side] and stream.chance(0.6):
        _place_boundary(stage, lot, stream)


def _place_boundary(stage: Stage, lot: Lot, stream: Stream) -> None:
    """Place a fence or a hedge between the pavement and the lot."""
    scene, x = stage.scene, stage.scene.fronts[lot.side]
    ends = scene.bent(x, lot.start), scene.bent(x, lot.end)
    light, boundary_stream = stage.light(x, (lot.start + lot.end) / 2), Stream(stream.bits())
    if stream.chance(0.65):
        stage.add(lot.end - 0.01, buildings.paint_fence, *ends, stream.uniform(0.9, 2.2), light, boundary_stream)
    else:
        stage.add(lot.end - 0.01, buildings.paint_hedge, *ends, stream.uniform(0.8, 2.2), light, boundary_stream)


def _place_park(stage: Stage, lot: Lot, stream: Stream) -> None:
    scene = stage.scene
    for _ in range(stream.integer(2, 3)):
        x, z = lot.front + lot.side * stream.uniform(1.5, 9), stream.uniform(lot.start, lot.end)
        tree_stream = Stream(stream.bits())
        arguments = (scene.bent(x, z), tree_stream.uniform(5, 13), stage.light(x, z), scene.light, tree_stream)
        stage.add(max(z, lot.end - 0.5), buildings.paint_tree, *arguments)
    back = lot.front + lot.side * 11
    ends = scene.bent(back, lot.start - 2), scene.bent(back, lot.end + 2)
    stage.add(lot.end, buildings.paint_hedge, *ends, stream.uniform(1.5, 5), scene.light.shaded, Stream(stream.bits()))
    if stream.chance(0.8):
        _place_boundary(stage, lot, stream)


def _place_yard(stage: Stage, lot: Lot, stream: Stream) -> None:
    scene = stage.scene
    if stream.chance(0.7):
        x = lot.front + lot.side * stream.uniform(5, 12)
        _place_building(stage, lot, x, stream.uniform(4, 12), Stream(stream.bits()))
    ends = scene.bent(lot.front, lot.start), scene.bent(lot.front, lot.end)
    light = stage.light(lot.front, lot.end)
    stage.add(lot.end - 0.02, buildings.paint_fence, *ends, stream.uniform(1.4, 2.6), light, Stream(stream.bits()))


def place_street_trees(stage: Stage, stream: Stream) -> None:
    """Plant trees along the outer edge of the pavements."""
    scene = stage.scene
    for side in (LEFT, RIGHT):
        if not stream.chance(0.4):
            continue
        z, step = stream.uniform(5, 14), stream.uniform(8, 20)
        while z < 45:
            if not scene.in_junction(z, 3):
                x, tree_stream = scene.fronts[side] - side * stream.uniform(0.4, 1.0), Stream(stream.bits())
                height = tree_stream.uniform(4, 9)
                arguments = (scene.bent(x, z), height, stage.light(x, z), scene.light, tree_stream)
                stage.add(z, buildings.paint_tree, *arguments)
                stage.shade(x, z, 0.7 * height, 0.25 * height)
            z += step * stream.uniform(0.7, 1.3)


def place_railings(stage: Stage, stream: Stream) -> None:
    """Place guard railings between the pavement and the road."""
    scene = stage.scene
    for side in (LEFT, RIGHT):
        if stream.chance(0.25):
            start = stream.uniform(4, 20)
            end = start + stream.uniform(5, 14)
            if scene.junction is not None and end > scene.junction[0]:
                start, end = scene.junction[0] - 11, scene.junction[0] - 1.5
            x = scene.curbs[side] + side * 0.3
            ends = scene.bent(x, start), scene.bent(x, end)
            light = stage.light(x, (start + end) / 2)
            stage.add(
                (start + end) / 2, buildings.paint_fence, *ends, stream.uniform(0.9, 1.2), light, Stream(stream.bits())
            )


def place_poles(stage: Stage, stream: Stream) -> None:
    """Place lamp posts at regular distances, and bollards."""
    scene = stage.scene
    for side in (LEFT, RIGHT):
        if stream.chance(0.7):
            z, step, style = stream.uniform(5, 16), stream.uniform(14, 28), stream.bits()
            x = scene.curbs[side] + side * stream.uniform(0.4, 0.9)
            while z < 55:
                arguments = (scene.bent(x, z), side, scene.light.lamps, stage.light(x, z), Stream(style))
                stage.add(z, objects.paint_lamp_post, *arguments)
                stage.shade(x, z, 7.0, 0.1)
                z += step
        if stream.chance(0.2):
            z, style = stream.uniform(5, 12), stream.bits()
            x = scene.curbs[side] + side * 0.4
            for step in range(stream.integer(3, 7)):
                bollard_z = z + 1.8 * step
                stage.add(
                    bollard_z, objects.paint_bollard, scene.bent(x, bollard_z), stage.light(x, bollard_z), Stream(style)
                )


def place_signs(stage: Stage, stream: Stream) -> None:
    """Place signs at the curbs, and traffic lights at a junction."""
    scene = stage.scene
    for _ in range(stream.integer(1, 4)):
        side, z = stream.sign(), stream.uniform(5, 40)
        x, sign_stream = scene.curbs[side] + side * stream.uniform(0.3, 1.2), Stream(stream.bits())
        stage.add(z, objects.paint_sign, scene.bent(x, z), stage.light(x, z), sign_stream)
    if scene.junction is not None and stream.chance(0.6):
        for side in (LEFT, RIGHT):
            for z in (scene.junction[0] - 1.0, scene.junction[1] + 1.0):
                x = scene.curbs[side] + side * 0.5
                stage.add(z, objects.paint_traffic_light, scene.bent(x, z), stage.light(x, z), Stream(stream.bits()))


def place_cars(stage: Stage, stream: Stream) -> None:
    """Place cars: parked along the curbs, driving ahead, towards the camera, and across the junction."""
    scene = stage.scene
    for side in (LEFT, RIGHT):
        if stream.chance(0.5):
            z, filling = stream.uniform(7, 25), stream.uniform(0.3, 0.9)
            facing = 1 if side == scene.traffic_side or stream.chance(0.3) else -1
            x = scene.curbs[side] - side * 0.95
            room = side != scene.traffic_side or abs(x) > 2.0
            while z < 45:
                if stream.chance(filling) and not scene.in_junction(z, 6) and (room or z > 14):
                    _place_car(stage, x + stream.uniform(-0.1, 0.1), z, facing, stream)
                z += stream.uniform(5.2, 6.5)
    for side, facing in ((scene.traffic_side, 1), (-scene.traffic_side, -1)):
        lane, z = (scene.lane + scene.curbs[side]) / 2, stream.uniform(8, 22)
        for _ in range(stream.integer(0, 2)):
            _place_car(stage, lane + stream.uniform(-0.3, 0.3), z, facing, stream)
            z += stream.uniform(11, 24)
    if scene.junction is not None and stream.chance(0.5):
        z = (scene.junction[0] + scene.junction[1]) / 2 + stream.sign() * 1.7
        x, way = stream.uniform(-12, 12), stream.sign()
        body = stream.choice(objects.BODIES)
        arguments = (scene.bent(x, z), (way, 0.0), body, stage.light(x, z), Stream(stream.bits()))
        stage.add(z - 0.9, objects.paint_car, *arguments)
        stage.shade(x, z, 1.2, 1.6)


def _place_car(stage: Stage, x: float, z: float, facing: int, stream: Stream) -> None:
    """Place a car at a road coordinate, facing with (1) or against (-1) the camera's direction."""
    scene, car_stream = stage.scene, Stream(stream.bits())
    body = objects.BUS if car_stream.chance(0.05) and z > 16 else car_stream.choice(objects.BODIES + objects.BODIES[:2])
    ahead_x, ahead_z = scene.heading(z)
    arguments = (scene.bent(x, z), (facing * ahead_x, facing * ahead_z), body, stage.light(x, z), car_stream)
    stage.add(z - body.length / 2, objects.paint_car, *arguments)
    for offset in (-0.3, 0.0, 0.3):
        stage.shade(x, z + offset * body.length, 0.8 * body.height, 0.75)


def place_pedestrians(stage: Stage, stream: Stream) -> None:
    """Place people who walk on the pavements, some in groups, or cross the road."""
    scene = stage.scene
    for _ in range(stream.choice((0, 1, 2, 3, 4, 5, 7))):
        side, z = stream.sign(), stream.uniform(4.5, 28)
        x = scene.curbs[side] + (scene.fronts[side] - scene.curbs[side]) * stream.uniform(0.2, 0.85)
        if stream.chance(0.15):
            x, z = stream.uniform(scene.curbs[LEFT], scene.curbs[RIGHT]), stream.uniform(10, 40)
        for member in range(2 if stream.chance(0.25) else 1):
            person_stream = Stream(stream.bits())
            member_x = x + 0.6 * member
            stage.add(z, objects.paint_pedestrian, scene.bent(member_x, z), stage.light(member_x, z), person_stream)
            stage.shade(member_x, z, 1.6, 0.25)


def place_bicyclists(stage: Stage, stream: Stream) -> None:
    """Place bicyclists who ride along the curbs or across the road."""
    scene = stage.scene
    for _ in range(stream.choice((0, 1, 1, 2, 3))):
        side, z, sideways = stream.sign(), stream.uniform(5.5, 22), stream.chance(0.45)
        x = scene.curbs[side] - side * stream.uniform(0.4, 1.6) if not sideways else stream.uniform(-5, 5)
        stage.add(z, objects.paint_bicyclist, scene.bent(x, z), sideways, stage.light(x, z), Stream(stream.bits()))
        stage.shade(x, z, 1.5, 0.3)


PLACEMENTS = (
    place_lots,
    place_street_trees,
    place_railings,
    place_poles,
    place_signs,
    place_cars,
    place_pedestrians,
    place_bicyclists,
)
