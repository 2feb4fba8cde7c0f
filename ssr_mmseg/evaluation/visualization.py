"""Pictures of an image with its prediction and ground truth."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ssr_mmseg.datasets.image_files import open_image
from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.utils.pixel_grid import resize_labels

LARGEST = 2048  # pixels


def side_by_side(image: Path, prediction: torch.Tensor, label: torch.Tensor, palette: np.ndarray) -> Image.Image:
    """Return the image, the colored prediction and the colored ground truth in one picture, at the label's size.

    Pictures of large images are scaled down to `LARGEST` pixels on their longer side.

    Args:
        image: Path of the image.
        prediction: Class per pixel, (H, W).
        label: True class per pixel, (H, W); ignored pixels are black.
        palette: Red, green and blue of each class, (classes, 3), uint8.
    """
    scale = min(1.0, LARGEST / max(label.shape))
    height, width = (max(1, round(side * scale)) for side in label.shape)
    prediction, label = (torch.from_numpy(resize_labels(ids.numpy(), (height, width))) for ids in (prediction, label))
    photo = open_image(image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    colors = np.zeros((IGNORED + 1, 3), dtype=np.uint8)
    colors[: len(palette)] = palette
    panels = [np.asarray(photo), colors[prediction.numpy()], colors[label.numpy()]]
    return Image.fromarray(np.concatenate(panels, axis=1))
