"""Transforms of single images: a resize that keeps labels aligned with the image, and a random shift."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS

from ssr_mmseg.utils.pixel_grid import resize_labels

IGNORED = 255


@TRANSFORMS.register_module()
class AlignedResize(Resize):
    """mmseg's `Resize`, but with labels sampled at the centers of the new pixels, like the image.

    mmseg samples labels at the first pixel of each cell (OpenCV's `INTER_NEAREST`), which moves them right and down by
    up to half a pixel of the smaller image.
    """

    def _resize_seg(self, results: dict) -> None:
        for key in results.get("seg_fields", []):
            if results.get(key) is not None:
                results[key] = resize_labels(results[key], results["img"].shape[:2])


@TRANSFORMS.register_module()
class RandomShift(BaseTransform):
    """Shift image and labels right and down, each by 0 to `pixels` pixels (method §6).

    Uncovered image pixels become black, and uncovered labels are ignored.
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
