"""Rasterization and random numbers of the rendered street scenes, compared with naive oracles."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ssr_mmseg.datasets.streets.canvas import Camera, Canvas
from ssr_mmseg.datasets.streets.noise import TILE, Stream, fractal_noise, hash32, sample, white_noise

CAMERA = Camera(rows=40, cols=64, focal=50.0, center=30.0, horizon=18.0, altitude=1.5)
WHITE = (1.0, 1.0, 1.0)


def blank() -> Canvas:
    return Canvas(CAMERA, (0.5, 0.5, 0.5), 200.0)


def ray_cast(a, b, low, high) -> np.ndarray:
    """Return the (H, W) mask of a wall, computed from the ray through each pixel's center."""
    mask = np.zeros((CAMERA.rows, CAMERA.cols), dtype=bool)
    for row in range(CAMERA.rows):
        for col in range(CAMERA.cols):
            right, up = (col + 0.5 - CAMERA.center) / CAMERA.focal, (CAMERA.horizon - row - 0.5) / CAMERA.focal
            # The ray meets the wall where a + s (b - a) = depth (right, 1).
            turn = b[0] - a[0] - right * (b[1] - a[1])
            if abs(turn) > 1e-9:
                s = (right * a[1] - a[0]) / turn
                depth = a[1] + s * (b[1] - a[1])
                mask[row, col] = 0 <= s <= 1 and depth > 0 and low <= CAMERA.altitude + up * depth <= high
    return mask


x, z, y = st.floats(-12, 12), st.floats(1, 40), st.floats(0, 5)


@settings(max_examples=25)
@given(ax=x, az=z, bx=x, bz=z, low=y, height=st.floats(0.5, 5))
def test_a_wall_covers_the_pixels_whose_rays_hit_it(ax, az, bx, bz, low, height):
    canvas = blank()
    patch = canvas.wall((ax, az), (bx, bz), low, low + height, WHITE)
    if patch is not None:
        patch.fill(patch.inside, WHITE, 1)
    wrong = (canvas.label == 1) != ray_cast((ax, az), (bx, bz), low, low + height)
    assert wrong.sum() <= 2  # rounding ties on the outline


@settings(max_examples=40)
@given(ax=x, az=z, bx=x, bz=z, low=y, height=st.floats(0.5, 5))
def test_an_upright_panel_equals_a_wall(ax, az, bx, bz, low, height):
    assume(abs(ax * bz - bx * az) > 0.5)  # not edge-on
    wall, panel = blank(), blank()
    patch = wall.wall((ax, az), (bx, bz), low, low + height, WHITE)
    if patch is not None:
        patch.fill(patch.inside, WHITE, 1)
    corners = [(ax, low, az), (bx, low, bz), (bx, low + height, bz), (ax, low + height, az)]
    patch = panel.panel(corners, WHITE)
    if patch is not None:
        patch.fill(patch.inside, WHITE, 1)
    assert (wall.label != panel.label).sum() <= 2


def test_a_wall_that_passes_the_camera_fills_the_edge_of_the_image():
    canvas = blank()
    patch = canvas.wall((2.0, -5.0), (2.0, 5.0), 0.0, 20.0, WHITE)
    patch.fill(patch.inside, WHITE, 1)
    assert canvas.label[:, -1].all()
    assert not canvas.label[:, :50].any()  # it ends at column 30 + 50 * 2 / 5
    assert canvas.wall((2.0, -5.0), (2.0, 0.1), 0.0, 20.0, WHITE) is None


def test_coordinates_on_a_wall_are_metres():
    patch = blank().wall((-3.0, 5.0), (3.0, 13.0), 0.0, 4.0, WHITE)
    assert 0 <= patch.u.min() < 0.5
    assert 9.5 < patch.u.max() <= 10  # the length of (6, 8)
    assert (np.diff(patch.v, axis=0) < 0).all()
    assert patch.pixel[0, 0] == pytest.approx(5 / 50, rel=0.1)
    assert patch.pixel[0, -1] == pytest.approx(13 / 50, rel=0.1)


def test_thin_objects_are_never_thinner_than_a_pixel():
    for depth in (5.0, 20.0, 60.0):
        patch = blank().billboard(0.3, depth, 0.5, 0.0, 6.0, WHITE)
        assert patch.post(0.0, 0.0, 6.0, 0.001).any(axis=1).all()
        assert patch.limb((0.0, 0.0), (0.0, 6.0), 0.001).any(axis=1).all()


def test_shapes_have_the_area_of_their_formula():
    patch = blank().billboard(0.0, 4.0, 1.5, 0.0, 3.0, WHITE)
    pixel = (4.0 / 50) ** 2  # square meters
    assert patch.ellipse(0.0, 1.5, 1.0, 0.7).sum() * pixel == pytest.approx(np.pi * 0.7, rel=0.05)
    assert patch.box(-1.0, 0.5, 1.0, 2.0).sum() * pixel == pytest.approx(1.5, rel=0.15)
    corners = ((-1.0, 0.5), (1.0, 0.5), (0.0, 2.5))
    assert patch.polygon(*corners).sum() * pixel == pytest.approx(2.0, rel=0.08)
    np.testing.assert_array_equal(patch.polygon(*corners), patch.polygon(*corners[::-1]))


def test_haze_hides_half_of_the_light_at_its_distance():
    canvas = Canvas(CAMERA, (0.5, 0.5, 0.5), 20.0)
    patch = canvas.billboard(0.0, 20.0, 2.0, 0.0, 3.0, (1.0, 0.5, 0.0))
    patch.fill(patch.inside, (0.8, 0.8, 0.8), 1)
    painted = canvas.image[:, canvas.label == 1]  # (3, pixels)
    assert painted.size > 0
    np.testing.assert_allclose(painted, np.full_like(painted, 1) * [[0.65], [0.45], [0.25]])


def test_a_fill_without_a_label_keeps_it_and_a_transparent_fill_sets_it():
    canvas = blank()
    patch = canvas.billboard(0.0, 5.0, 1.0, 0.5, 2.0, WHITE)
    before = canvas.image.copy()
    patch.fill(patch.inside, WHITE, 7, opacity=np.zeros((1, 1)))
    np.testing.assert_array_equal(canvas.image, before)
    patch.fill(patch.inside, WHITE)
    assert set(np.unique(canvas.label)) == {0, 7}


def test_streams_are_keyed_and_uniform():
    assert [Stream(1, 2).bits(), Stream(2, 1).bits(), Stream(1, 2, 0).bits()] != [Stream(1, 2).bits()] * 3
    stream = Stream(9)
    values = np.array([stream.uniform(-2, 6) for _ in range(4000)])
    assert -2 <= values.min() < -1.9
    assert 5.9 < values.max() < 6
    assert values.mean() == pytest.approx(2, abs=0.15)
    assert {stream.integer(3, 5) for _ in range(60)} == {3, 4, 5}
    assert abs(sum(stream.sign() for _ in range(1000))) < 120


def test_the_hash_spreads_single_bits():
    words = np.arange(1 << 12, dtype=np.uint32)
    for bit in (1, 1 << 10, 1 << 31):
        changed = hash32(words, 5) ^ hash32(words ^ np.uint32(bit), 5)
        flips = [(changed >> np.uint32(place) & np.uint32(1)).mean() for place in range(32)]
        assert min(flips) > 0.4
        assert max(flips) < 0.6


@pytest.mark.parametrize("texture", [white_noise(), fractal_noise()])
def test_textures_are_centered_and_wrap_around(texture):
    assert abs(texture.mean()) < 0.25
    assert np.abs(texture).max() < 2.5
    u, v = np.array([[0.3, -1.7]]), np.array([[2.0], [5.5]])
    np.testing.assert_array_equal(sample(texture, u, v, 0.5), sample(texture, u + TILE / 2, v - TILE / 2, 0.5))


def test_fractal_noise_is_smooth_over_its_seam():
    texture = fractal_noise()
    inner = np.abs(np.diff(texture, axis=1)).mean()
    assert np.abs(texture[:, 0] - texture[:, -1]).mean() < 2 * inner
    assert inner < 0.5 * texture.std()
