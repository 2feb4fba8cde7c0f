"""Overlays: images under the colors of their classes."""

from collections.abc import Sequence

import cv2
import numpy as np

from ssr_mmseg.deploy.legend import PAPER, legend_strip
from ssr_mmseg.deploy.onnx_metadata import OnnxMetadata
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError

PALETTES = ("file", "safe")


class Overlay:
    """The way in which the classes of a network are drawn over images.

    Args:
        metadata: Names and colors of the classes.
        opacity: Opacity of the colors, 0 to 1.
        skip: Names of classes whose color is not drawn.
        palette: `file` for the colors of the metadata, `safe` for colors that color-blind people can tell apart.
        legend: Add a strip with names and colors of the drawn classes below the image.

    Raises:
        UserError: The opacity is none, or a name or the palette is unknown.
    """

    def __init__(
        self,
        metadata: OnnxMetadata,
        opacity: float = 0.5,
        *,
        skip: Sequence[str] = (),
        palette: str = "file",
        legend: bool = False,
    ) -> None:
        if not 0 <= opacity <= 1:
            raise UserError(f"expected an opacity from 0 to 1, found {opacity}; correct --opacity")
        if palette not in PALETTES:
            raise UserError(f"unknown palette {palette}; choose one of: {', '.join(PALETTES)}")
        self.names, self.opacity, self.legend = metadata.classes, opacity, legend
        unknown = [name for name in skip if name not in self.names]
        if unknown:
            raise UserError(f"--skip: unknown class {unknown[0]!r}; choose from: {', '.join(self.names)}")
        colors = metadata.palette if palette == "file" else distinct_colors(len(self.names))
        self.colors = np.array(colors, np.uint8)[:, ::-1]  # BGR
        self.skipped = np.array([name in skip for name in self.names])
        self._strips: dict[int, np.ndarray] = {}

    def draw(self, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Blend the colors of the classes over an image.

        Args:
            image: Image (H, W, 3), BGR, uint8.
            labels: Class of each pixel (H, W), uint8.

        Returns:
            The picture, BGR, uint8, contiguous: (H, W, 3), or larger at the bottom, and at the right of a narrow
            image, with a legend.
        """
        picture = cv2.addWeighted(self.colors[labels], self.opacity, image, 1 - self.opacity, 0)
        if self.skipped.any():
            np.copyto(picture, image, where=self.skipped[labels][:, :, None])
        return self._with_legend(picture) if self.legend else picture

    def _with_legend(self, picture: np.ndarray) -> np.ndarray:
        width = picture.shape[1]
        if width not in self._strips:
            names = [name for name, skipped in zip(self.names, self.skipped, strict=True) if not skipped]
            self._strips = {width: legend_strip(names, self.colors[~self.skipped], width)}
        strip = self._strips[width]
        wide = np.full((picture.shape[0], strip.shape[1], 3), PAPER, np.uint8)
        wide[:, :width] = picture
        return np.concatenate([wide, strip])
