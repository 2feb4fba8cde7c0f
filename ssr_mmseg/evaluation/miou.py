"""Segmentation quality: mIoU, per-class IoU and pixel accuracy, at the labels' original size."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.evaluation.class_counts import ClassCounts, accuracy_record
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
        See `accuracy_record`.
    """
    model.eval()
    counts: list[ClassCounts] = []
    for batch in loader:
        for sample in model.test_step(batch):
            prediction = sample.pred_sem_seg.data.squeeze(0)
            label = sample.gt_sem_seg.data.squeeze(0).to(prediction)
            counts.append(count_on_device(prediction, label, len(classes)))
            if watch is not None:
                watch(len(counts) - 1, sample)
    return accuracy_record(counts, classes)


def count_on_device(prediction: Tensor, label: Tensor, classes: int) -> ClassCounts:
    """Count the pixels of each class in an image on the device of its tensors, as `count_classes` does.

    mmseg's `IoUMetric.intersect_and_union` counts in float32 and thus no further than 2²⁴ pixels.

    Args:
        prediction: Class of each pixel, (H, W).
        label: True class, (H, W); `IGNORED` is left out.
        classes: Number of classes.
    """
    labeled = label != IGNORED
    predicted, true = prediction[labeled].long(), label[labeled].long()
    both, first, second = (
        torch.bincount(values, minlength=classes).cpu().numpy() for values in (true[predicted == true], predicted, true)
    )
    return ClassCounts(both, first, second)
