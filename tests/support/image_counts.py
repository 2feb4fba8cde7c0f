"""Pixels by class of imaginary images."""

import numpy as np


def random_counts(images: int, classes: int, seed: int, quality: float = 0.7) -> np.ndarray:
    """Return counts of imaginary images, (images, classes, 3), some of which lack classes."""
    generator = np.random.default_rng(seed)
    labeled = generator.integers(0, 1000, (images, classes)) * (generator.random((images, classes)) < 0.8)
    intersection = generator.binomial(labeled, quality)
    predicted = intersection + generator.integers(0, 200, (images, classes))
    return np.stack([intersection, predicted, labeled], axis=-1)
