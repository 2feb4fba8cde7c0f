"""Augmentations that need no size: they give back an image as large as the one they got."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

IGNORED = 255


@TRANSFORMS.register_module()
class RandomShift(BaseTransform):
    """Shift image and labels right and down by 0 to `pixels` pixels each (method §6).

    Uncovered image pixels are black, uncovered labels are ignored.
    """

    def __init__(self, pixels: int = 2) -> None:
        self.pixels = pixels

    def transform(self, results: dict) -> dict:
        right, down = np.random.randint(0, self.pixels + 1, size=2)
        results["img"] = _shift(results["img"], right, down, 0)
        for key in results.get("seg_fields", []):
            results[key] = _shift(results[key], right, down, IGNORED)
        return results


def _shift(array: np.ndarray, right: int, down: int, fill: int) -> np.ndarray:
    shifted = np.full_like(array, fill)
    height, width = array.shape[:2]
    shifted[down:, right:] = array[: height - down, : width - right]
    return shifted
