"""Writer of small datasets for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (32, 64)


def split_entry(pixels: list[int], images: int = 1) -> dict:
    """Return the entry of a split in a manifest."""
    counts = {"pixels": pixels, "pixels_eighth": pixels, "class_images": [int(count > 0) for count in pixels]}
    sizes = {"sizes": [{"size": list(SIZE), "images": images}], "smallest": list(SIZE), "largest": list(SIZE)}
    return {"images": images, **sizes, **counts, "ignored": 0}


def write_pair(image: Path, label: Path, values: np.ndarray, seed: int = 0) -> None:
    """Write a random image and a label with `values` (H, W)."""
    image.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*values.shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    Image.fromarray(values.astype(np.uint8)).save(label)
