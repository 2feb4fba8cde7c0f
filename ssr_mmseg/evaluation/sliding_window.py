"""Segmentation of large images by a sliding window, as mmseg's `slide` mode, with memory for one row of windows.

mmseg's mode holds the logits of the whole image: 150 classes of 20 million pixels are 12 GB, several times over.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.utils.windows import LogitsBand, windows


@torch.no_grad()
def segment_by_windows(
    logits_of: Callable[[Tensor], Tensor],
    image: Tensor,
    window: Sequence[int],
    overlap: int,
    classes: int,
    batch: int = 1,
    normalize: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the class of each pixel (H, W), uint8: the largest of the logits averaged over overlapping windows.

    The labels equal those of mmseg's `EncoderDecoder.slide_inference`. Every window has exactly the given size: smaller
    images are padded with zeros at the bottom and right. Beyond the image and the labels, memory is that of a row of
    windows: 4 · classes · h · W bytes for the sums.

    Args:
        logits_of: Function from images (N, 3, h, w) to logits (N, classes, h, w).
        image: Image (3, H, W), normalized unless `normalize` is given.
        window: Height h and width w of the windows.
        overlap: Pixels that neighboring windows share; see `windows`.
        classes: Number of classes, 2 to 255.
        batch: Windows per call of `logits_of`.
        normalize: Function from crops (N, 3, ≤h, ≤w) of the image to normalized ones of the same size, on any device.

    Raises:
        ValueError: An argument is out of range, or the logits have another shape.
    """
    if image.ndim != 3 or not 2 <= classes <= IGNORED or batch < 1:
        shape = tuple(image.shape)
        raise ValueError(
            f"expected an image (3, H, W), 2 to {IGNORED} classes and a positive batch, "
            f"found shape {shape}, {classes} and {batch}"
        )
    (rows, columns), (height, width) = image.shape[1:], window
    starts = windows((rows, columns), window, overlap)
    band = None
    for first in range(0, len(starts), batch):
        group = starts[first : first + batch]
        crops = torch.stack([image[:, top : top + height, left : left + width] for top, left in group])
        if normalize is not None:
            crops = normalize(crops)
        logits = logits_of(F.pad(crops, (0, width - crops.shape[3], 0, height - crops.shape[2])))
        if logits.shape != (len(group), classes, height, width):
            raise ValueError(
                f"expected logits of shape {(len(group), classes, height, width)}, found {tuple(logits.shape)}"
            )
        if band is None:
            # Padded sides are cropped from the labels at the end.
            wide = max(columns, width)
            band = LogitsBand(
                logits.new_zeros(classes, height, wide, dtype=torch.promote_types(logits.dtype, torch.float32)),
                logits.new_zeros(height, wide, dtype=torch.float32),
                logits.new_empty(max(rows, height), wide, dtype=torch.uint8),
            )
        for (top, left), values in zip(group, logits, strict=True):
            band.add(top, left, values)
    assert band is not None
    return band.finish()[:rows, :columns]


class SlidingWindowSegmentor(nn.Module):
    """A segmentor that is applied to images of any size by a sliding window; accepted by `evaluate_model`.

    Images are normalized by the segmentor's preprocessor, window by window, and neither resized nor padded to its fixed
    size. They stay where the loader has put them; only windows are moved to the segmentor's device.

    Args:
        segmentor: An mmseg segmentor with at least 2 output channels.
        window: Height and width of the network's input.
        overlap: Pixels that neighboring windows share; see `windows`.
        batch: Windows per run of the network.

    Raises:
        ValueError: The segmentor has one output channel, which mmseg compares with a threshold.
    """

    def __init__(self, segmentor: EncoderDecoder, window: Sequence[int], overlap: int, batch: int = 1) -> None:
        super().__init__()
        if segmentor.out_channels < 2:
            raise ValueError("expected a segmentor with at least 2 output channels, found 1")
        self.segmentor, self.window, self.overlap, self.batch = segmentor, tuple(window), overlap, batch

    def test_step(self, data: dict) -> list[SegDataSample]:
        """Segment images and return their samples, with `pred_sem_seg` (1, H, W), uint8, and without `seg_logits`.

        Args:
            data: `inputs`, images (3, H, W) as read from files, and their `data_samples`.

        Raises:
            ValueError: An image has been resized.
        """
        for image, sample in zip(data["inputs"], data["data_samples"], strict=True):
            original = tuple(sample.ori_shape[:2])
            if image.shape[1:] != original:
                raise ValueError(f"expected an image of its original size {original}, found {tuple(image.shape[1:])}")
            labels = segment_by_windows(
                self._logits,
                image,
                self.window,
                self.overlap,
                self.segmentor.out_channels,
                self.batch,
                self._normalize,
            )
            sample.pred_sem_seg = PixelData(data=labels[None])
        return data["data_samples"]

    def _normalize(self, crops: Tensor) -> Tensor:
        samples = [SegDataSample() for _ in crops]  # the preprocessor records its padding in them
        images = self.segmentor.data_preprocessor({"inputs": list(crops), "data_samples": samples}, False)["inputs"]
        return images[:, :, : crops.shape[2], : crops.shape[3]]  # without padding for tests, at the bottom and right

    def _logits(self, images: Tensor) -> Tensor:
        return self.segmentor.encode_decode(images, [{"img_shape": images.shape[2:]}] * len(images))
