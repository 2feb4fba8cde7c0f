"""Writer of small datasets for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (32, 64)


def write_pair(image: Path, label: Path, values: np.ndarray, seed: int = 0) -> None:
    """Write a random image and a label with `values` (H, W)."""
    image.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*values.shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    Image.fromarray(values.astype(np.uint8)).save(label)
