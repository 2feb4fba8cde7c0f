"""Segmentation quality: mIoU, per-class IoU and pixel accuracy, at the labels' original size."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.model import BaseModel
from mmseg.evaluation import IoUMetric
from torch import Tensor

from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.evaluation.sliding_window import SlidingWindowSegmentor


@torch.no_grad()
def evaluate_model(
    model: BaseModel | SlidingWindowSegmentor,
    loader: Iterable[Any],
    classes: list[str],
    watch: Callable[[int, object], None] | None = None,
) -> dict:
    """Segment every image of a loader and compare the predictions with the labels.

    Args:
        model: An mmseg segmentor, which is left in evaluation mode.
        loader: Batches of a dataset with labels.
        classes: Class names, in the order of the label values.
        watch: Function called with each image's number and its `SegDataSample`.

    Returns:
        Number of `images`, and `miou`, `pixel_accuracy` and `iou` per class, in percent; the IoU of a class that
        occurs neither in the labels nor in the predictions is None and not included in the mean.
    """
    model.eval()
    areas = []
    number = 0
    for batch in loader:
        for sample in model.test_step(batch):
            prediction = sample.pred_sem_seg.data.squeeze(0)
            label = sample.gt_sem_seg.data.squeeze(0).to(prediction)
            areas.append(count_areas(prediction, label, len(classes)))
            if watch is not None:
                watch(number, sample)
            number += 1
    intersect, union, predicted, labeled = (torch.stack(area).sum(dim=0).double() for area in zip(*areas, strict=True))
    metrics = IoUMetric.total_area_to_metrics(intersect, union, predicted, labeled)
    iou = {name: _percent(value) for name, value in zip(classes, metrics["IoU"].tolist(), strict=True)}
    counted = [value for value in iou.values() if value is not None]
    return {
        "images": number,
        "miou": round(sum(counted) / len(counted), 4),
        "pixel_accuracy": _percent(float(metrics["aAcc"])),
        "iou": iou,
    }


def count_areas(prediction: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the pixels of each class: in both, in either, in the prediction and in the label, each (classes,).

    As mmseg's `IoUMetric.intersect_and_union`, which counts in float32 and thus no further than 2²⁴ pixels.

    Args:
        prediction: Class of each pixel, (H, W).
        label: True class, (H, W); `IGNORED` is left out.
    """
    labeled = label != IGNORED
    predicted, true = prediction[labeled].long(), label[labeled].long()
    both, first, second = (
        torch.bincount(values, minlength=classes).cpu() for values in (true[predicted == true], predicted, true)
    )
    return both, first + second - both, first, second


def _percent(share: float) -> float | None:
    return None if math.isnan(share) else round(100 * share, 4)
