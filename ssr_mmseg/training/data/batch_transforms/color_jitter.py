"""Color jitter of a batch: brightness, contrast, saturation and hue as one affine color map per image."""

import numpy as np
import torch
from torch import Tensor

from ssr_mmseg.training.data.batch_transforms.base import BATCH_TRANSFORMS, BatchTransform

GRAY = np.array([0.114, 0.587, 0.299])  # luma of blue, green, red (ITU-R BT.601)


@BATCH_TRANSFORMS.register_module()
class ColorJitter(BatchTransform):
    """x → M·x + b, clipped to 0 … 255, with each of four changes applied to an image with probability `prob`.

    Args:
        brightness: Largest value that is added or subtracted.
        contrast: Factors are drawn from 1 − contrast to 1 + contrast.
        saturation: Range of the factors of the distance to gray, likewise.
        hue: Largest angle, in degrees, of a rotation about the gray axis.
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
        self.ranges = np.array([brightness, contrast, saturation, hue])
        self.prob = prob

    def draw(self, generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        # all four are drawn, used or not, so that one part's probability does not affect another's values
        amounts = self.ranges * generator.uniform(-1, 1, size=4) * (generator.random(4) < self.prob)
        return color_map(*amounts).reshape(-1)

    def apply(self, images: Tensor, labels: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        maps = parameters.view(-1, 3, 4)
        flat = torch.baddbmm(maps[:, :, 3:], maps[:, :, :3], images.flatten(2))  # (B, 3, H·W)
        return flat.clamp_(0, 255).view_as(images), labels


def color_map(brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0) -> np.ndarray:
    """Return [M | b], (3, 4), of a change of brightness, contrast, saturation and hue (degrees), in this order.

    A value of 0 leaves that property unchanged.
    """
    matrix = (1 + contrast) * np.eye(3)
    offset = np.full(3, (1 + contrast) * brightness)
    gray = np.tile(GRAY, (3, 1))  # every channel becomes the luma
    for step in (gray + (1 + saturation) * (np.eye(3) - gray), _rotation(np.deg2rad(hue))):
        matrix, offset = step @ matrix, step @ offset
    return np.concatenate([matrix, offset[:, None]], axis=1)


def _rotation(angle: float) -> np.ndarray:
    """Return the rotation of colors about the axis of equal channels (Rodrigues' formula)."""
    axis = np.full(3, 3**-0.5)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
