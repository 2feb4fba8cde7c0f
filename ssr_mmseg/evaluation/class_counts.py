"""Pixels of each class in predictions and labels, counted by NumPy, and the accuracies that follow from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssr_mmseg.datasets.transforms import IGNORED


@dataclass(frozen=True)
class ClassCounts:
    """Numbers of pixels by class, without ignored ones: (classes,), integers.

    Attributes:
        intersection: Pixels of the class in both prediction and label.
        predicted: Pixels of the class in the prediction.
        labeled: Pixels of the class in the label.
    """

    intersection: np.ndarray
    predicted: np.ndarray
    labeled: np.ndarray


def count_classes(prediction: np.ndarray, label: np.ndarray, classes: int) -> ClassCounts:
    """Count the pixels of each class in an image.

    Args:
        prediction: Class of each pixel, (H, W), uint8; values from `classes` on are wrong wherever they are.
        label: True class, (H, W), below `classes`; `IGNORED` is left out.
        classes: Number of classes.
    """
    counted = label != IGNORED
    predicted, true = prediction[counted], label[counted]
    return ClassCounts(
        np.bincount(true[predicted == true], minlength=classes),
        np.bincount(predicted, minlength=classes)[:classes],
        np.bincount(true, minlength=classes),
    )


def accuracy_record(counts: Iterable[ClassCounts], classes: Sequence[str]) -> dict[str, Any]:
    """Return the accuracy over the images whose pixels were counted, at least one.

    Args:
        counts: Counts of each image.
        classes: Class names, in the order of the label values.

    Returns:
        Number of `images`, and `miou`, `pixel_accuracy` and `iou` per class, in percent, rounded to 4 places. The IoU
        of a class that occurs neither in the labels nor in the predictions is None and not included in the mean.
    """
    images = list(counts)
    parts = ("intersection", "predicted", "labeled")
    table = np.array([[getattr(image, part) for part in parts] for image in images], dtype=np.int64)
    intersection, predicted, labeled = table.sum(axis=0)
    shares = [_percent(*pair) for pair in zip(intersection, predicted + labeled - intersection, strict=True)]
    occurring = [share for share in shares if share is not None]
    return {
        "images": len(images),
        "miou": round(sum(occurring) / len(occurring), 4),
        "pixel_accuracy": _percent(intersection.sum(), labeled.sum()),
        "iou": dict(zip(classes, shares, strict=True)),
    }


def _percent(part: int, whole: int) -> float | None:
    return round(100 * (float(part) / float(whole)), 4) if whole else None
