"""Description of a street scene, drawn from a random stream: labels, light, road and the lots along it."""

from __future__ import annotations

from dataclasses import dataclass

from ssr_mmseg.datasets.streets.canvas import Camera, Point
from ssr_mmseg.datasets.streets.noise import Rgb, Stream

# Labels, in the order of `camvid.CLASSES`.
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)

LEFT, RIGHT = -1, 1
FAR = 75.0  # meters to the end of the street, where the skyline begins


@dataclass(frozen=True)
class Light:
    """Colors of the light, and the position of the sun.

    An object h meters high casts a shadow h * ``reach`` meters away from the sun's side, and ``slant`` meters forward
    for each meter across.
    """

    sunlit: Rgb
    shaded: Rgb
    zenith: Rgb
    horizon: Rgb
    cloud: Rgb
    cloudiness: float  # -1 (clear) to 1 (overcast)
    haze_distance: float
    strength: float  # of the sun: 0 (no shadows) to 1 (hardest shadows)
    side: int
    reach: float
    slant: float
    lamps: bool  # whether windows and lamps are lit
    exposure: Rgb


@dataclass(frozen=True)
class Lot:
    """One stretch of ground along the street: a building, a park with a boundary, or a fenced yard."""

    kind: str  # "building", "park" or "yard"
    side: int
    start: float  # nearest and farthest Z, meters
    end: float
    front: float  # X of its front, in road coordinates
    height: float  # meters, of the object that casts the shadow


@dataclass(frozen=True)
class Scene:
    """A street. X in road coordinates is measured from the line through the camera along the bending road."""

    light: Light
    curbs: dict[int, float]  # X of the road's edges, per side
    fronts: dict[int, float]  # X at which the pavement ends and the lots begin, per side
    bend: float  # meters sideways per square meter ahead
    junction: tuple[float, float] | None  # Z range of a crossing street
    traffic_side: int  # the side to drive on
    lots: tuple[Lot, ...]

    def bent(self, x: float, z: float) -> Point:
        """Return the point of the ground at road coordinate x."""
        return x + self.bend * z * z, z

    def heading(self, z: float) -> Point:
        """Return the direction of the road at z, not normalized."""
        return 2 * self.bend * z, 1.0

    @property
    def lane(self) -> float:
        """X of the line between the two directions of traffic."""
        return (self.curbs[LEFT] + self.curbs[RIGHT]) / 2

    def in_junction(self, z: float, margin: float = 0.0) -> bool:
        """Return whether z is in the crossing street or within the margin around it."""
        return self.junction is not None and self.junction[0] - margin < z < self.junction[1] + margin

    def light_at(self, x: float, z: float) -> Rgb:
        """Return the light on an object at road coordinate x, which may be in the shadow of a lot."""
        side = self.light.side
        if self.light.strength < 0.2:
            return self.light.sunlit
        distance = (self.fronts[side] - x) * side
        source = z - self.light.slant * distance
        for lot in self.lots:
            if lot.side == side and lot.start <= source < lot.end and distance < lot.height * self.light.reach:
                return self.light.shaded
        return self.light.sunlit


def draw_light(stream: Stream) -> Light:
    """Draw the time of day and the weather."""
    mood = stream.uniform()
    lamps = False
    if mood < 0.35:  # overcast
        strength, reach, cloudiness = stream.uniform(0, 0.15), 1.0, stream.uniform(0.5, 1.0)
        sun, ambient = (1.0, 1.0, 1.0), (0.92, 0.96, 1.0)
        zenith, horizon = (0.66, 0.69, 0.74), (0.88, 0.89, 0.90)
        exposure = stream.uniform(0.65, 1.15)
    elif mood < 0.7:  # sunny
        strength, reach, cloudiness = stream.uniform(0.5, 0.95), stream.uniform(0.3, 1.0), stream.uniform(-1, 0.2)
        sun, ambient = (1.0, 0.96, 0.88), (0.85, 0.95, 1.1)
        zenith, horizon = (0.30, 0.50, 0.85), (0.78, 0.86, 0.95)
        exposure = stream.uniform(0.75, 1.3)
    elif mood < 0.88:  # low sun
        strength, reach, cloudiness = stream.uniform(0.5, 0.9), stream.uniform(0.9, 2.5), stream.uniform(-1, 0.5)
        sun, ambient = (1.1, 0.85, 0.62), (0.82, 0.88, 1.05)
        zenith, horizon = (0.42, 0.52, 0.74), (1.0, 0.84, 0.66)
        exposure = stream.uniform(0.6, 1.15)
    else:  # dusk
        strength, reach, cloudiness = 0.0, 1.0, stream.uniform(-0.5, 0.8)
        sun, ambient = (1.0, 1.0, 1.0), (0.72, 0.80, 1.05)
        zenith, horizon = (0.34, 0.42, 0.66), (0.82, 0.70, 0.66)
        exposure, lamps = stream.uniform(0.4, 0.65), True
    shade = 1 - 0.6 * strength
    shaded = (ambient[0] * shade, ambient[1] * shade, ambient[2] * shade)
    sunlit = tuple(dark + 0.75 * strength * bright for dark, bright in zip(shaded, sun, strict=True))
    return Light(
        sunlit=(sunlit[0], sunlit[1], sunlit[2]),
        shaded=shaded,
        zenith=stream.tint(zenith, 0.12, 0.05),
        horizon=stream.tint(horizon, 0.08, 0.03),
        cloud=stream.tint((0.93, 0.93, 0.95), 0.1, 0.02),
        cloudiness=cloudiness,
        haze_distance=stream.choice((110.0, 220.0, 400.0, 800.0)),
        strength=strength,
        side=stream.sign(),
        reach=reach,
        slant=stream.uniform(-0.8, 0.8),
        lamps=lamps,
        exposure=stream.tint((exposure, exposure, exposure), 0.0, 0.09),
    )


def draw_scene(stream: Stream) -> Scene:
    """Draw the road, its lots and the light."""
    light = draw_light(stream)
    traffic_side = stream.sign()
    near, far = stream.uniform(1.6, 3.6), stream.uniform(3.2, 7.0)
    curbs = {traffic_side: traffic_side * near, -traffic_side: -traffic_side * far}
    fronts = {side: curbs[side] + side * stream.uniform(1.8, 5.5) for side in (LEFT, RIGHT)}
    bend = stream.uniform(-0.0035, 0.0035) if stream.chance(0.5) else stream.uniform(-0.0004, 0.0004)
    start = stream.uniform(11, 38)
    junction = (start, start + stream.uniform(7, 12)) if stream.chance(0.45) else None
    lots = tuple(lot for side in (LEFT, RIGHT) for lot in _draw_lots(stream, side, fronts[side], junction))
    return Scene(light, curbs, fronts, bend, junction, traffic_side, lots)


def draw_camera(stream: Stream, rows: int, cols: int) -> Camera:
    """Draw the camera; its parameters scale with the image size."""
    return Camera(
        rows=rows,
        cols=cols,
        focal=stream.uniform(0.62, 0.95) * cols,
        center=stream.uniform(0.36, 0.64) * cols,
        horizon=stream.uniform(0.40, 0.56) * rows,
        altitude=stream.uniform(1.2, 2.3),
    )


def _draw_lots(stream: Stream, side: int, front: float, junction: tuple[float, float] | None) -> list[Lot]:
    """Draw the lots of one side, near to far; a crossing street leaves a gap."""
    lots = []
    style = stream.uniform(0.35, 0.85)  # how built-up the street is
    floors = stream.uniform(2, 5)
    z = stream.uniform(-6, 1)
    while z < FAR:
        end = z + stream.uniform(8, 24)
        if junction is not None and z < junction[1] and end > junction[0]:
            end = junction[0] - 2.5
            if end - z < 4:
                z = junction[1] + 2.5
                continue
        pick = stream.uniform()
        if pick < style:
            kind, setback, height = "building", stream.choice((0.0, 0.0, 2.5)), 3.0 * floors * stream.uniform(0.6, 1.5)
        elif pick < style + (1 - style) * 0.55:
            kind, setback, height = "park", 0.0, stream.uniform(3, 7)
        else:
            kind, setback, height = "yard", 0.0, 2.0
        lots.append(Lot(kind, side, z, end, front + side * setback, height))
        z = end + (stream.uniform(1, 5) if stream.chance(0.25) else 0.0)
    return lots
