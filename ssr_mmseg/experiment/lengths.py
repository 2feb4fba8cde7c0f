"""Lengths of searches and trainings in epochs, with a floor in steps for small training sets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Length:
    """Length of a training, or of a search in stages.

    Attributes:
        first: Epochs of the training, or of the first stage of the search.
        later: Epochs of each of the other stages.
        stages: Number of the other stages.
        steps_per_epoch: Steps of one epoch.
        factor: What the configured epochs have been multiplied by.
    """

    first: int
    later: int
    stages: int
    steps_per_epoch: int
    factor: int

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return self.end(self.stages)

    def end(self, stage: int) -> int:
        """Return the number of epochs until the end of a stage."""
        return self.first + stage * self.later

    def note(self) -> str:
        """Return a line for the log if there are more epochs than configured, otherwise an empty text."""
        if self.factor == 1:
            return ""
        return (
            f"{self.epochs} epochs instead of the configured {self.epochs // self.factor}, because an epoch has only "
            f"{self.steps_per_epoch} steps and min_steps asks for more"
        )


def search_length(search: Mapping[str, Any], images: int) -> Length:
    """Return the length of a search.

    Args:
        search: The section `search` of the settings.
        images: Number of images in the training set.
    """
    images //= 2 if search["split"] == "halves" else 1
    return _length(search, search["epochs"], search["shrink_epochs"], search["shrink_stages"], images)


def warmup_epochs(search: Mapping[str, Any], total: int) -> int:
    """Return how many of all epochs of a search are its warm-up."""
    return round(search["warmup"] * total)


def training_length(retrain: Mapping[str, Any], images: int) -> Length:
    """Return the length of a training, from the section `retrain` of the settings and the number of images."""
    return _length(retrain, retrain["epochs"], 0, 0, images)


def _length(section: Mapping[str, Any], first: int, later: int, stages: int, images: int) -> Length:
    steps = max(images // section["batch_size"], 1)  # an incomplete last batch is dropped
    factor = max(math.ceil(section["min_steps"] / (steps * (first + stages * later))), 1)
    return Length(factor * first, factor * later, stages, steps, factor)
