"""Transforms of whole batches, compared with naive ones of single images."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ssr_mmseg.datasets.transforms import IGNORED, _shift
from ssr_mmseg.training.data import batch_transforms
from ssr_mmseg.training.data.batch_transforms import BATCH_TRANSFORMS, build_transforms
from ssr_mmseg.training.data.batch_transforms.color_jitter import GRAY, ColorJitter, color_map
from ssr_mmseg.training.data.batch_transforms.cutmix import CutMix
from ssr_mmseg.training.data.batch_transforms.geometry import (
    IDENTITY,
    BatchFlip,
    BatchShift,
    RandomScaleCrop,
    compose,
    resample,
)
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import import_modules

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
    result, result_labels = apply(IDENTITY, images, labels)
    torch.testing.assert_close(result, images.float(), atol=0.01, rtol=0)
    assert torch.equal(result_labels, labels.long())


def test_a_flip_is_the_mirrored_array():
    images, labels = batch()
    result, result_labels = apply(flip_map(), images, labels)
    torch.testing.assert_close(result, images.flip(-1).float(), atol=0.01, rtol=0)
    assert torch.equal(result_labels, labels.flip(-1).long())


@given(down=st.integers(0, 3), right=st.integers(0, 3), flipped=st.booleans())
@settings(max_examples=20)
def test_flip_and_shift_equal_those_of_single_images(down, right, flipped):
    """The naive way: NumPy's flip and the shift of `RandomShift`, one image after another."""
    images, labels = batch()
    shift = np.array([1.0, -down, 1.0, -right])
    result, result_labels = apply(compose(flip_map(), shift) if flipped else shift, images, labels)
    for index in range(len(images)):
        image, label = images[index].permute(1, 2, 0).numpy(), labels[index].numpy()
        if flipped:
            image, label = image[:, ::-1], label[:, ::-1]
        expected = torch.from_numpy(_shift(np.ascontiguousarray(image), right, down, 0)).permute(2, 0, 1)
        torch.testing.assert_close(result[index], expected.float(), atol=0.01, rtol=0)
        assert torch.equal(result_labels[index], torch.from_numpy(_shift(label, right, down, IGNORED)).long())


def test_every_shift_occurs_and_none_is_larger():
    shift = BatchShift(pixels=2)
    drawn = {tuple(shift.draw(np.random.default_rng(seed), SIZE)[[1, 3]]) for seed in range(80)}
    assert drawn == {(-down, -right) for down in range(3) for right in range(3)}


def test_half_of_the_flips_happen():
    drawn = [BatchFlip(0.5).draw(np.random.default_rng(seed), SIZE)[2] for seed in range(400)]
    assert 150 < sum(value == -1 for value in drawn) < 250


@pytest.mark.parametrize("factor", [2.0, 1.6, 0.5])
def test_scaling_equals_interpolate(factor):
    """Scaling about the top left corner, cropped or padded to the old size."""
    images, labels = batch(size=(24, 32))
    coordinate = [1 / factor, 0.5 / factor - 0.5]
    fill = torch.tensor([10.0, 20.0, 30.0])
    maps = torch.tensor([coordinate * 2] * len(images))
    result, result_labels = resample(images, labels, maps, fill)
    scaled = F.interpolate(images.float(), scale_factor=factor, mode="bilinear", align_corners=False)
    height, width = (min(a, b) for a, b in zip(scaled.shape[2:], (24, 32), strict=True))
    inner = (slice(None), slice(None), slice(1, height - 1), slice(1, width - 1))  # the rim blends with the fill
    torch.testing.assert_close(result[inner], scaled[inner], atol=0.02, rtol=0)
    if factor < 1:
        assert torch.equal(
            result[:, :, height + 1 :, :], fill.view(1, 3, 1, 1).expand_as(result[:, :, height + 1 :, :])
        )
        assert bool((result_labels[:, height + 1 :] == IGNORED).all())
    else:
        nearest = F.interpolate(labels.unsqueeze(1).float(), scale_factor=factor, mode="nearest-exact").squeeze(1)
        assert torch.equal(result_labels, nearest[:, :24, :32].long())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_an_enlarged_image_covers_the_canvas_and_a_reduced_one_lies_within(seed):
    transform = RandomScaleCrop(0.5, 2.0)
    ay, by, ax, bx = transform.draw(np.random.default_rng(seed), SIZE)
    assert ay == ax
    assert 0.5 <= 1 / ay <= 2.0
    for a, b, side in ((ay, by, SIZE[0]), (ax, bx, SIZE[1])):
        first, last = b, a * (side - 1) + b
        if a <= 1:  # enlarged: the canvas is within the image
            assert first >= -0.5
            assert last <= side - 0.5 + a
        else:  # reduced: the image is within the canvas, up to the rounding of its size
            assert first <= a
            assert last >= side - 1 - 1.5 * a


def test_brightness_and_contrast_equal_those_of_single_pixels():
    images, labels = batch()
    result, _ = ColorJitter().apply(images.float(), labels, parameters(color_map(brightness=20, contrast=0.3)))
    expected = ((images.float() + 20) * 1.3).clamp(0, 255)
    torch.testing.assert_close(result, expected, atol=0.01, rtol=1e-5)


def test_saturation_moves_colors_away_from_gray_or_towards_it():
    images, labels = batch()
    pixels = images.permute(0, 2, 3, 1).double().numpy()
    for saturation in (-1.0, -0.4, 0.4):
        expected = np.empty_like(pixels)
        for place in np.ndindex(pixels.shape[:3]):
            gray = sum(GRAY * pixels[place])
            expected[place] = [gray + (1 + saturation) * (value - gray) for value in pixels[place]]
        result, _ = ColorJitter().apply(images.float(), labels, parameters(color_map(saturation=saturation)))
        expected = torch.from_numpy(expected.clip(0, 255)).permute(0, 3, 1, 2).float()
        torch.testing.assert_close(result, expected, atol=0.01, rtol=1e-5)


def test_a_rotation_of_the_hue_keeps_gray_and_a_third_of_a_circle_permutes_the_colors():
    rotation = color_map(hue=120)[:, :3]
    np.testing.assert_allclose(rotation @ np.full(3, 99.0), np.full(3, 99.0))
    np.testing.assert_allclose(np.sort(np.abs(rotation @ np.array([200.0, 0, 0]))), [0, 0, 200], atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation @ rotation, np.eye(3), atol=1e-9)


def test_color_jitter_with_probability_0_changes_nothing():
    drawn = ColorJitter(prob=0.0).draw(np.random.default_rng(0), SIZE).reshape(3, 4)
    np.testing.assert_allclose(drawn, np.eye(3, 4), atol=1e-12)


def parameters(value: np.ndarray, number: int = 3) -> torch.Tensor:
    return torch.tensor(value.reshape(1, -1).repeat(number, axis=0), dtype=torch.float32)


def test_cutmix_pastes_image_and_labels_of_the_previous_sample():
    images, labels = batch()
    box = (2, 7, 3, 11)
    result, result_labels = CutMix().apply(images.float(), labels.long(), parameters(np.array(box)))
    for index in range(3):
        image, label = images[index].clone(), labels[index].clone()
        image[:, 2:7, 3:11], label[2:7, 3:11] = images[index - 1][:, 2:7, 3:11], labels[index - 1][2:7, 3:11]
        assert torch.equal(result[index], image.float())
        assert torch.equal(result_labels[index], label.long())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_rectangle_of_cutmix_has_the_requested_area_and_is_inside(seed):
    top, bottom, left, right = CutMix(1.0, 0.2, 0.4).draw(np.random.default_rng(seed), (100, 200))
    assert 0 <= top < bottom <= 100
    assert 0 <= left < right <= 200
    assert 0.18 < (bottom - top) * (right - left) / 20_000 < 0.42


def test_cutmix_with_probability_0_changes_nothing():
    images, labels = batch()
    drawn = CutMix(prob=0.0).draw(np.random.default_rng(0), SIZE)
    result, result_labels = CutMix().apply(images.float(), labels.long(), parameters(drawn))
    assert torch.equal(result, images.float())
    assert torch.equal(result_labels, labels.long())


def test_a_transform_of_single_images_is_refused():
    expected = "augmentation RandomRotate transforms single images only; use ColorJitter.*, or put it into the pipeline"
    with pytest.raises(UserError, match=expected):
        build_transforms([{"type": "RandomRotate", "prob": 0.5}])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"type": "RandomFlip", "probability": 0.5},
            "augmentation RandomFlip: .*'probability'; its arguments are: prob",
        ),
        ({"type": "RandomFlop"}, "unknown augmentation 'RandomFlop'; did you mean RandomFlip?"),
        ({"prob": 0.5}, "augmentation: expected a name or a mapping with the key type"),
    ],
)
def test_a_mistake_is_one_line(config, expected):
    with pytest.raises(UserError, match=expected):
        build_transforms([config])


TOY = '''
import numpy as np

from ssr_mmseg.training.data.batch_transforms.base import BATCH_TRANSFORMS, BatchTransform


@BATCH_TRANSFORMS.register_module()
class Negative(BatchTransform):
    """Replace an image by its negative with probability `prob`."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def draw(self, generator, size):
        return np.array([generator.random() < self.prob], dtype=float)

    def apply(self, images, labels, parameters):
        return images + parameters.view(-1, 1, 1, 1) * (255 - 2 * images), labels
'''


@pytest.fixture
def added_file(tmp_path, monkeypatch):
    """A file `negative.py` in the folder of batch transforms, as a user would put it there."""
    (tmp_path / "negative.py").write_text(TOY)
    monkeypatch.setattr(batch_transforms, "__path__", [*batch_transforms.__path__, str(tmp_path)])
    yield tmp_path / "negative.py"
    BATCH_TRANSFORMS.module_dict.pop("Negative", None)
    sys.modules.pop(f"{batch_transforms.__name__}.negative", None)


def test_a_batch_transform_is_added_by_one_file(added_file: Path):
    import_modules(batch_transforms.__path__, batch_transforms.__name__)  # as the package does when it is imported
    images, labels = batch()
    (transform,) = build_transforms([{"type": "Negative", "prob": 1.0}])
    drawn = transform.draw(np.random.default_rng(0), SIZE)
    result, result_labels = transform.apply(images.float(), labels.long(), parameters(drawn))
    assert torch.equal(result, 255 - images.float())
    assert torch.equal(result_labels, labels.long())
