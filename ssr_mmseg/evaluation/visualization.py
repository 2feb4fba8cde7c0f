"""What a network sees and says, as a picture."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ssr_mmseg.datasets.preparation.verify import open_image
from ssr_mmseg.datasets.transforms import IGNORED


def side_by_side(image: Path, prediction: torch.Tensor, label: torch.Tensor, palette: np.ndarray) -> Image.Image:
    """Image, coloured prediction and coloured truth beside each other, at the label's size.

    Args:
        prediction: Class per pixel, (H, W).
        label: Likewise; ignored pixels are black.
        palette: Red, green and blue of each class, (classes, 3), uint8.
    """
    height, width = label.shape
    photo = open_image(image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    colours = np.zeros((IGNORED + 1, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    panels = [np.asarray(photo), colours[prediction.numpy()], colours[label.numpy()]]
    return Image.fromarray(np.concatenate(panels, axis=1))
