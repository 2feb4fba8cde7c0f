"""Transforms of whole batches against naive ones of single images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ssr_mmseg.datasets.transforms import IGNORED, _shift
from ssr_mmseg.training.data.batch_transform import build_transforms
from ssr_mmseg.training.data.color_jitter import GREY, ColourJitter, colour_map
from ssr_mmseg.training.data.cutmix import CutMix
from ssr_mmseg.training.data.geometry import IDENTITY, BatchFlip, BatchShift, RandomScaleCrop, compose, resample
from ssr_mmseg.utils.errors import UserError

SIZE = (12, 16)


def batch(number: int = 3, size: tuple[int, int] = SIZE, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (number, 3, *size), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 11, (number, *size), generator=generator, dtype=torch.uint8)
    return images, labels


def apply(maps, images, labels):
    return resample(images, labels, torch.tensor(np.stack([maps] * len(images)), dtype=torch.float32))


def flip_map() -> np.ndarray:
    return BatchFlip(prob=1.0).draw(np.random.default_rng(0), SIZE)


def test_the_identity_changes_nothing():
    images, labels = batch()
    found, found_labels = apply(IDENTITY, images, labels)
    torch.testing.assert_close(found, images.float(), atol=0.01, rtol=0)
    assert torch.equal(found_labels, labels.long())


def test_a_flip_is_the_mirrored_array():
    images, labels = batch()
    found, found_labels = apply(flip_map(), images, labels)
    torch.testing.assert_close(found, images.flip(-1).float(), atol=0.01, rtol=0)
    assert torch.equal(found_labels, labels.flip(-1).long())


@given(down=st.integers(0, 3), right=st.integers(0, 3), flipped=st.booleans())
@settings(max_examples=20)
def test_flip_and_shift_are_those_of_single_images(down, right, flipped):
    """The naive way: NumPy's flip and the shift of `RandomShift`, one image after another."""
    images, labels = batch()
    shift = np.array([1.0, -down, 1.0, -right])
    found, found_labels = apply(compose(flip_map(), shift) if flipped else shift, images, labels)
    for index in range(len(images)):
        image, label = images[index].permute(1, 2, 0).numpy(), labels[index].numpy()
        if flipped:
            image, label = image[:, ::-1], label[:, ::-1]
        expected = torch.from_numpy(_shift(np.ascontiguousarray(image), right, down, 0)).permute(2, 0, 1)
        torch.testing.assert_close(found[index], expected.float(), atol=0.01, rtol=0)
        assert torch.equal(found_labels[index], torch.from_numpy(_shift(label, right, down, IGNORED)).long())


def test_every_shift_occurs_and_none_is_larger():
    shift = BatchShift(pixels=2)
    drawn = {tuple(shift.draw(np.random.default_rng(seed), SIZE)[[1, 3]]) for seed in range(80)}
    assert drawn == {(-down, -right) for down in range(3) for right in range(3)}


def test_half_of_the_flips_happen():
    drawn = [BatchFlip(0.5).draw(np.random.default_rng(seed), SIZE)[2] for seed in range(400)]
    assert 150 < sum(value == -1 for value in drawn) < 250


@pytest.mark.parametrize("factor", [2.0, 1.6, 0.5])
def test_a_scaled_image_is_that_of_interpolate(factor):
    """Scaling about the top left corner, cut or filled up to the old size."""
    images, labels = batch(size=(24, 32))
    coordinate = [1 / factor, 0.5 / factor - 0.5]
    fill = torch.tensor([10.0, 20.0, 30.0])
    maps = torch.tensor([coordinate * 2] * len(images))
    found, found_labels = resample(images, labels, maps, fill)
    scaled = F.interpolate(images.float(), scale_factor=factor, mode="bilinear", align_corners=False)
    height, width = (min(a, b) for a, b in zip(scaled.shape[2:], (24, 32), strict=True))
    inner = (slice(None), slice(None), slice(1, height - 1), slice(1, width - 1))  # the rim blends with the fill
    torch.testing.assert_close(found[inner], scaled[inner], atol=0.02, rtol=0)
    if factor < 1:
        assert torch.equal(found[:, :, height + 1 :, :], fill.view(1, 3, 1, 1).expand_as(found[:, :, height + 1 :, :]))
        assert bool((found_labels[:, height + 1 :] == IGNORED).all())
    else:
        nearest = F.interpolate(labels.unsqueeze(1).float(), scale_factor=factor, mode="nearest-exact").squeeze(1)
        assert torch.equal(found_labels, nearest[:, :24, :32].long())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_scale_and_crop_show_no_more_than_the_image_and_no_less_than_they_can(seed):
    transform = RandomScaleCrop(0.5, 2.0)
    ay, by, ax, bx = transform.draw(np.random.default_rng(seed), SIZE)
    assert ay == ax
    assert 0.5 <= 1 / ay <= 2.0
    for a, b, side in ((ay, by, SIZE[0]), (ax, bx, SIZE[1])):
        first, last = b, a * (side - 1) + b
        if a <= 1:  # enlarged: the canvas lies within the image
            assert first >= -0.5
            assert last <= side - 0.5 + a
        else:  # reduced: the image lies within the canvas, up to the rounding of its size
            assert first <= a
            assert last >= side - 1 - 1.5 * a


def test_brightness_and_contrast_are_those_of_single_pixels():
    images, labels = batch()
    found, _ = ColourJitter().apply(images.float(), labels, parameters(colour_map(brightness=20, contrast=0.3)))
    expected = ((images.float() + 20) * 1.3).clamp(0, 255)
    torch.testing.assert_close(found, expected, atol=0.01, rtol=1e-5)


def test_saturation_moves_colours_from_or_to_grey():
    images, labels = batch()
    pixels = images.permute(0, 2, 3, 1).double().numpy()
    for saturation in (-1.0, -0.4, 0.4):
        expected = np.empty_like(pixels)
        for place in np.ndindex(pixels.shape[:3]):
            grey = sum(GREY * pixels[place])
            expected[place] = [grey + (1 + saturation) * (value - grey) for value in pixels[place]]
        found, _ = ColourJitter().apply(images.float(), labels, parameters(colour_map(saturation=saturation)))
        expected = torch.from_numpy(expected.clip(0, 255)).permute(0, 3, 1, 2).float()
        torch.testing.assert_close(found, expected, atol=0.01, rtol=1e-5)


def test_a_turn_of_the_hue_keeps_grey_and_a_third_of_a_circle_permutes_the_colours():
    turn = colour_map(hue=120)[:, :3]
    np.testing.assert_allclose(turn @ np.full(3, 99.0), np.full(3, 99.0))
    np.testing.assert_allclose(np.sort(np.abs(turn @ np.array([200.0, 0, 0]))), [0, 0, 200], atol=1e-9)
    np.testing.assert_allclose(turn @ turn @ turn, np.eye(3), atol=1e-9)


def test_without_probability_colours_stay():
    drawn = ColourJitter(prob=0.0).draw(np.random.default_rng(0), SIZE).reshape(3, 4)
    np.testing.assert_allclose(drawn, np.eye(3, 4), atol=1e-12)


def parameters(value: np.ndarray, number: int = 3) -> torch.Tensor:
    return torch.tensor(value.reshape(1, -1).repeat(number, axis=0), dtype=torch.float32)


def test_cut_mix_pastes_image_and_labels_of_the_sample_before():
    images, labels = batch()
    box = (2, 7, 3, 11)
    found, found_labels = CutMix().apply(images.float(), labels.long(), parameters(np.array(box)))
    for index in range(3):
        image, label = images[index].clone(), labels[index].clone()
        image[:, 2:7, 3:11], label[2:7, 3:11] = images[index - 1][:, 2:7, 3:11], labels[index - 1][2:7, 3:11]
        assert torch.equal(found[index], image.float())
        assert torch.equal(found_labels[index], label.long())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_rectangle_of_cut_mix_has_the_asked_area_and_lies_inside(seed):
    top, bottom, left, right = CutMix(1.0, 0.2, 0.4).draw(np.random.default_rng(seed), (100, 200))
    assert 0 <= top < bottom <= 100
    assert 0 <= left < right <= 200
    assert 0.18 < (bottom - top) * (right - left) / 20_000 < 0.42


def test_cut_mix_without_probability_changes_nothing():
    images, labels = batch()
    drawn = CutMix(prob=0.0).draw(np.random.default_rng(0), SIZE)
    found, found_labels = CutMix().apply(images.float(), labels.long(), parameters(drawn))
    assert torch.equal(found, images.float())
    assert torch.equal(found_labels, labels.long())


def test_a_transform_of_single_images_is_refused():
    with pytest.raises(UserError, match="augmentation RandomRotate has no form for whole batches; use ColourJitter"):
        build_transforms([{"type": "RandomRotate", "prob": 0.5}])


def test_a_mistyped_argument_is_one_line():
    with pytest.raises(UserError, match=r"augmentation RandomFlip: .*argument 'probability'; correct it"):
        build_transforms([{"type": "RandomFlip", "probability": 0.5}])
