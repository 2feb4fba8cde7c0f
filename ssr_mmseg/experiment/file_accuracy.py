"""Accuracy of any function from an image to classes on a split, such as an exported file, and its table per image."""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.deploy.images import read_image
from ssr_mmseg.evaluation.class_counts import ClassCounts, accuracy_record, count_classes
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.utils.files import atomic_path, sha256

Segment = Callable[[np.ndarray], np.ndarray]
Watch = Callable[[str, int, int, Path, np.ndarray, np.ndarray], None]
COLUMNS = ("split", "image", "class", "intersection", "predicted", "labeled")


@dataclass(frozen=True)
class ImageCounts:
    """Pixels of each class in one image.

    Attributes:
        split: `val` or `test`.
        image: Path of the image within the folder of the split's images.
        counts: The pixels.
    """

    split: str
    image: str
    counts: ClassCounts


def count_images(experiment: Experiment, split: str, segment: Segment, watch: Watch | None = None) -> list[ImageCounts]:
    """Segment every image of a split as `predict` reads it, and count pixels by class at the image's own size.

    Labels are those that the evaluation's loader gives.

    Args:
        experiment: Gives the images and the labels.
        split: A split with labels.
        segment: Function from an image (H, W, 3), BGR, uint8, to the class of each pixel (H, W), uint8.
        watch: Function called with the split, number, number of all images, path, prediction and label of each image.

    Raises:
        UserError: An image cannot be read, or `segment` raises it.
    """
    dataset: Any = experiment.evaluation_loader(split, whole=experiment.overlap is not None).dataset
    folder, classes, images = Path(dataset.data_prefix["img_path"]), len(experiment.manifest["classes"]), []
    for number in range(len(dataset)):
        sample = dataset[number]["data_samples"]
        label = sample.gt_sem_seg.data.squeeze(0).numpy()
        path = Path(sample.img_path)
        name = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
        prediction = segment(read_image(path))
        images.append(ImageCounts(split, name.as_posix(), count_classes(prediction, label, classes)))
        if watch is not None:
            watch(split, number, len(dataset), path, prediction, label)
    return images


def measure_file(
    experiment: Experiment,
    segment: Segment,
    path: Path,
    size: tuple[int, int],
    splits: Sequence[str] = ("val", "test"),
    watch: Watch | None = None,
) -> tuple[dict[str, Any], list[ImageCounts]]:
    """Measure the accuracy of a file on splits of a dataset.

    Args:
        segment, watch: See `count_images`.
        path: The file.
        size: Height and width of its input.
        splits: Those to measure on; one without labels is left out.

    Returns:
        The record of the file: its `bytes`, `sha256` and input `size`, and the accuracy on `val` and `test`, each None
        without labels; and the counts per image.

    Raises:
        UserError: See `count_images`.
    """
    labeled = [split for split in splits if experiment.splits[split] is not None]
    images = [image for split in labeled for image in count_images(experiment, split, segment, watch)]
    about = {"bytes": path.stat().st_size, "sha256": sha256(path), "size": list(size)}
    return {**about, **accuracies(images, experiment.manifest["classes"])}, images


def accuracies(images: Iterable[ImageCounts], classes: list[str]) -> dict[str, dict[str, Any] | None]:
    """Return the accuracy on val and on test, each None without images; see `accuracy_record`."""
    by_split: dict[str, list[ClassCounts]] = {"val": [], "test": []}
    for image in images:
        by_split[image.split].append(image.counts)
    return {split: accuracy_record(counts, classes) if counts else None for split, counts in by_split.items()}


def write_per_image(path: Path, images: Iterable[ImageCounts], classes: list[str]) -> None:
    """Write a CSV file with a row for each image and class that occurs in its prediction or label, atomically.

    Raises:
        UserError: The disk is full or the folder is not writable.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for image in images:
            counts = image.counts
            for name, *pixels in zip(classes, counts.intersection, counts.predicted, counts.labeled, strict=True):
                if pixels[1] or pixels[2]:
                    writer.writerow([image.split, image.image, name, *pixels])
