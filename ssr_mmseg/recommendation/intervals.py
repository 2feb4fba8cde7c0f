"""Intervals of accuracies over images: the bootstrap, paired between networks that saw the same images."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 95  # percent
SEED = 0
INTERSECTION, PREDICTED, LABELED = range(3)  # of the last axis of counts


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, in percent or in points.

    Attributes:
        value: The estimate from all images.
        low, high: Ends of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is outside of the interval."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


def draw_weights(images: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Return how often each resample has each image, (resamples, images): as many draws with replacement as images."""
    generator = np.random.default_rng(SEED)
    return generator.multinomial(images, np.full(images, 1 / images), size=resamples)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Return the IoU of each class in percent, NaN where it is neither predicted nor labeled.

    Args:
        counts: Pixels in intersection, prediction and label, (..., classes, 3).
    """
    union = counts[..., PREDICTED] + counts[..., LABELED] - counts[..., INTERSECTION]
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * counts[..., INTERSECTION] / union


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """Return the mean IoU in percent over the classes that occur; see `class_iou`."""
    return np.nanmean(class_iou(counts), axis=-1)


def resampled(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the counts of each resample, (resamples, classes, 3), from those of each image, (images, classes, 3)."""
    return np.tensordot(weights, counts, axes=1)


def miou_interval(counts: np.ndarray) -> Interval:
    """Return the mean IoU of a network with its interval, from counts of each image, (images, classes, 3)."""
    values = mean_iou(resampled(counts, draw_weights(len(counts))))
    return _interval(float(mean_iou(counts.sum(axis=0))), values)


def class_intervals(counts: np.ndarray) -> list[Interval | None]:
    """Return the IoU of each class with its interval; None for a class that does not occur."""
    estimates = class_iou(counts.sum(axis=0))
    values = class_iou(resampled(counts, draw_weights(len(counts))))
    return [
        None if np.isnan(estimate) else _interval(float(estimate), values[:, number])
        for number, estimate in enumerate(estimates)
    ]


def lead(first: np.ndarray, second: np.ndarray) -> Interval:
    """Return the first network's lead in mean IoU over the second, in points, with the interval of paired resamples.

    Args:
        first, second: Counts of the same images, (images, classes, 3).
    """
    weights = draw_weights(len(first))
    differences = mean_iou(resampled(first, weights)) - mean_iou(resampled(second, weights))
    return _interval(float(mean_iou(first.sum(axis=0)) - mean_iou(second.sum(axis=0))), differences)


def _interval(value: float, values: np.ndarray) -> Interval:
    tail = (100 - CONFIDENCE) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return Interval(value, float(low), float(high))
