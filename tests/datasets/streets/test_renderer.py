"""The rendered street scenes: the same bytes everywhere, valid labels, every class."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssr_mmseg.datasets.camvid import CLASSES
from ssr_mmseg.datasets.streets import scene as layout
from ssr_mmseg.datasets.streets.renderer import render_scene
from ssr_mmseg.utils.errors import UserError

SIZE = (96, 192)
FRAMES = 40


@pytest.fixture(scope="module")
def frames() -> list[tuple[np.ndarray, np.ndarray]]:
    return [render_scene(0, index, SIZE) for index in range(FRAMES)]


@pytest.fixture(scope="module")
def labels(frames) -> np.ndarray:
    return np.stack([label for _, label in frames])  # (FRAMES, H, W)


def test_bytes_are_pinned():
    image, label = render_scene(3, 14, (48, 96))
    assert (
        hashlib.sha256(image.tobytes()).hexdigest()
        == "d08a2bb6ef6a5150a0651fd05ae2a896bc0bfccc52018c7d6c3b4ca3f803f3e6"
    )
    assert (
        hashlib.sha256(label.tobytes()).hexdigest()
        == "f13fee6fbb9ba2e21a35ac44cce93c94cdaf1055a612ff0c35dd0134bb90993d"
    )


def test_a_frame_depends_on_seed_and_index_only(frames):
    for index in (17, 3):  # in a different order from the fixture's
        image, label = render_scene(0, index, SIZE)
        np.testing.assert_array_equal(image, frames[index][0])
        np.testing.assert_array_equal(label, frames[index][1])


def test_seeds_and_indices_give_different_scenes(frames):
    scenes = [label for _, label in frames[:6]] + [render_scene(1, index, SIZE)[1] for index in range(6)]
    for i, one in enumerate(scenes):
        for other in scenes[:i]:
            assert (one != other).mean() > 0.05


@settings(max_examples=12)
@given(
    seed=st.integers(-(2**70), 2**70),
    index=st.integers(0, 2**40),
    rows=st.integers(4, 20),
    cols=st.integers(8, 30),
)
def test_any_seed_and_any_size_give_an_image_and_its_label(seed, index, rows, cols):
    size = (8 * rows, 8 * cols)
    with np.errstate(all="raise", under="ignore"):
        image, label = render_scene(seed, index, size)
    assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
    assert (label.shape, label.dtype) == (size, np.uint8)
    assert image.flags.c_contiguous
    assert label.max() < len(CLASSES)
    assert image.std() > 5


def test_labels_follow_the_order_of_camvid():
    names = {
        "Sky": layout.SKY,
        "Building": layout.BUILDING,
        "Pole": layout.POLE,
        "Road": layout.ROAD,
        "Pavement": layout.PAVEMENT,
        "Tree": layout.TREE,
        "SignSymbol": layout.SIGN,
        "Fence": layout.FENCE,
        "Car": layout.CAR,
        "Pedestrian": layout.PEDESTRIAN,
        "Bicyclist": layout.BICYCLIST,
    }
    assert [names[name] for name in CLASSES] == list(range(11))


def test_every_class_occurs_in_many_frames(labels):
    shown = [((labels == k).sum(axis=(1, 2)) >= 10).mean() for k in range(len(CLASSES))]
    assert min(shown) >= 0.3, dict(zip(CLASSES, shown, strict=True))


def test_classes_are_as_unequal_as_in_real_streets(labels):
    share = np.bincount(labels.ravel(), minlength=len(CLASSES)) / labels.size
    assert all(share[k] > 0.05 for k in (layout.SKY, layout.BUILDING, layout.ROAD, layout.PAVEMENT, layout.TREE))
    assert all(0.002 < share[k] < 0.05 for k in (layout.POLE, layout.SIGN, layout.PEDESTRIAN, layout.BICYCLIST))
    assert all(0.005 < share[k] < 0.15 for k in (layout.FENCE, layout.CAR))


def test_sky_is_above_and_road_below(labels):
    rows = labels.shape[1]
    assert not (labels[:, rows * 3 // 5 :] == layout.SKY).any()
    assert not (labels[:, : rows * 2 // 5 - 1] == layout.ROAD).any()
    assert (labels[:, -1] == layout.ROAD).mean() > 0.4


def test_the_sky_is_brighter_than_the_road(frames):
    brighter = [
        image[label == layout.SKY].mean() > image[label == layout.ROAD].mean()
        for image, label in frames
        if (label == layout.SKY).sum() > 100
    ]
    assert len(brighter) > FRAMES / 2
    assert np.mean(brighter) > 0.9


def test_edges_of_the_image_coincide_with_edges_of_the_label(frames):
    def contrast(image: np.ndarray, label: np.ndarray) -> float:
        step = np.abs(np.diff(image.astype(np.float64), axis=1)).mean(axis=2)  # (H, W - 1)
        return step[label[:, 1:] != label[:, :-1]].mean()

    for image, label in frames[:12]:
        moved = max(contrast(image, np.roll(label, shift, axis=1)) for shift in (-3, 3))
        assert contrast(image, label) > 1.1 * moved


@pytest.mark.parametrize("index", range(4))
def test_the_layout_is_the_same_at_twice_the_size(index):
    small, large = render_scene(5, index, SIZE)[1], render_scene(5, index, (2 * SIZE[0], 2 * SIZE[1]))[1]
    corners = [large[i::2, j::2] == small for i in (0, 1) for j in (0, 1)]
    assert np.any(corners, axis=0).mean() > 0.93


@pytest.mark.parametrize("size", [(24, 64), (32, 56), (0, 0), (-32, 64), (100, 192), (96, 190)])
def test_an_unsuitable_size_is_refused(size):
    with pytest.raises(UserError, match=f"multiples of 8, .* got {size[0]} x {size[1]}; choose"):
        render_scene(0, 0, size)
