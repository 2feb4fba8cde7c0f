"""Pictures of a few predictions of an evaluation, evenly spaced over each split."""

from pathlib import Path

import numpy as np
import torch

from ssr_mmseg.evaluation.visualization import side_by_side
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.utils.files import atomic_path


class Pictures:
    """A folder of pictures of image, prediction and truth.

    Args:
        folder: The folder.
        experiment: Gives the number of pictures per split, and the palette.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self.folder, self.frames = folder, experiment.settings["evaluate"]["frames"]
        self.palette = np.array(experiment.manifest["palette"], dtype=np.uint8)

    def shows(self, number: int, total: int) -> bool:
        """Return whether the image of a number is drawn, among a total of images."""
        return self.frames > 0 and number in np.linspace(0, total - 1, self.frames).round()

    def draw(self, split: str, number: int, total: int, image: Path, prediction: np.ndarray, label: np.ndarray) -> None:
        """Save the picture of an image, if it is one of those that are drawn.

        Args:
            split: Split of the image.
            number, total: Number of the image, and of all images of the split.
            image: Path of the image.
            prediction: Class per pixel, (H, W).
            label: True class per pixel, (H, W).
        """
        if self.shows(number, total):
            picture = side_by_side(image, torch.from_numpy(prediction), torch.from_numpy(label), self.palette)
            with atomic_path(self.folder / f"{split}_{number:04d}.png") as temporary:
                picture.save(temporary)
