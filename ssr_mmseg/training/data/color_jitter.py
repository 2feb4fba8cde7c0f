"""Colour jitter of a batch: brightness, contrast, saturation and hue as one affine map of colours per image."""

import numpy as np
import torch
from torch import Tensor

from ssr_mmseg.training.data.batch_transform import BATCH_TRANSFORMS, BatchTransform

GREY = np.array([0.114, 0.587, 0.299])  # luma of blue, green, red (ITU-R BT.601)


@BATCH_TRANSFORMS.register_module()
class ColourJitter(BatchTransform):
    """x → M·x + b, clipped to 0 … 255, each part with probability `prob` for each image.

    Args:
        brightness: Largest value that is added or taken away.
        contrast: Factors are drawn from 1 − contrast to 1 + contrast.
        saturation: Likewise, of the distance to grey.
        hue: Largest angle, in degrees, of a turn around the grey axis.
        prob: Probability of each of the four.
    """

    def __init__(
        self,
        brightness: float = 32,
        contrast: float = 0.5,
        saturation: float = 0.5,
        hue: float = 18,
        prob: float = 0.5,
    ) -> None:
        self.brightness, self.contrast, self.saturation, self.hue, self.prob = (
            brightness,
            contrast,
            saturation,
            hue,
            prob,
        )

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        ranges = np.array([self.brightness, self.contrast, self.saturation, self.hue])
        # all are drawn whether used or not, so that one part's probability does not change another's values
        amounts = ranges * generator.uniform(-1, 1, size=4) * (generator.random(4) < self.prob)
        return colour_map(*amounts).reshape(-1)

    def apply(self, images: Tensor, labels: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        maps = parameters.view(-1, 3, 4)
        flat = torch.baddbmm(maps[:, :, 3:], maps[:, :, :3], images.flatten(2))  # (B, 3, H·W)
        return flat.clamp_(0, 255).view_as(images), labels


def colour_map(brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0) -> np.ndarray:
    """[M | b], (3, 4), of a change of brightness, then contrast, then saturation, then hue (degrees); 0 is none."""
    matrix = (1 + contrast) * np.eye(3)
    offset = np.full(3, (1 + contrast) * brightness)
    grey = np.tile(GREY, (3, 1))  # every channel becomes the luma
    for step in (grey + (1 + saturation) * (np.eye(3) - grey), _turn(np.deg2rad(hue))):
        matrix, offset = step @ matrix, step @ offset
    return np.concatenate([matrix, offset[:, None]], axis=1)


def _turn(angle: float) -> np.ndarray:
    """Rotation of colours around the axis of equal channels (Rodrigues' formula)."""
    axis = np.full(3, 3**-0.5)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
