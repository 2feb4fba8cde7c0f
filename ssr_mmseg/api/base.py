"""What every loaded network offers, whatever runs it. Imports neither torch nor mmseg."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ssr_mmseg.api.images import to_bgr

if TYPE_CHECKING:
    from PIL.Image import Image

    ImageLike = str | Path | Image | np.ndarray

MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS = 200, 10.0, 20.0  # of the timing protocol, as in `profiling/timing.py`


class Network(ABC):
    """A trained segmentation network; made by `ssr_mmseg.load`.

    Attributes:
        path: Folder or file that it was loaded from.
        classes: Name of class 0, 1, ….
        palette: RGB color of each class, (classes, 3), uint8: `palette[labels]` is a picture.
        size: Height and width in pixels that images are resized to before the network.
    """

    def __init__(self, path: Path, classes: list[str], palette: list[list[int]], size: tuple[int, int]) -> None:
        self.path, self.classes, self.size = path, classes, size
        self.palette = np.array(palette, np.uint8)

    def __repr__(self) -> str:
        height, width = self.size
        return f"<{type(self).__name__} {self.path}: {len(self.classes)} classes at {height}x{width}>"

    @overload
    def predict(self, image: "ImageLike") -> np.ndarray: ...

    @overload
    def predict(self, image: "list[ImageLike] | tuple[ImageLike, ...]") -> list[np.ndarray]: ...

    def predict(self, image: Any) -> Any:
        """Segment an image of any size.

        Args:
            image: Path, PIL image, or array (H, W, 3), RGB, uint8; or a list of these, which run one by one.

        Returns:
            Class of each pixel, (H, W), uint8, at the image's own size; for a list a list of these.

        Raises:
            UserError: An image is none of the above, or its file is missing or damaged.
        """
        if isinstance(image, list | tuple):
            return [self._labels(to_bgr(each)) for each in image]
        return self._labels(to_bgr(image))

    @abstractmethod
    def _labels(self, image: np.ndarray) -> np.ndarray:
        """Return the class of each pixel (H, W), uint8, of an image (H, W, 3), BGR, uint8."""

    @abstractmethod
    def profile(
        self,
        size: tuple[int, int] | None = None,
        backend: str | None = None,
        *,
        batch: int | None = None,
        precision: str | None = None,
        min_runs: int = MIN_RUNS,
        min_seconds: float = MIN_SECONDS,
        warmup_seconds: float = WARMUP_SECONDS,
    ) -> dict[str, Any]:
        """Time the network on this device by the protocol of docs/profiling.md, on random images.

        Args:
            size: Height and width in pixels, multiples of 8; `self.size` if None.
            backend: Name of a profiling backend; if None `eager`, or `onnxruntime` for an exported file.
            batch: Images per run; 1 if None, or those of an exported file.
            precision: One of the backend's, such as `fp16`; its first one if None.
            min_runs, min_seconds: Timed runs end after this many, or after so many seconds of them.
            warmup_seconds: Longest warm-up.

        Returns:
            JSON values: `latency_ms_p50`, `latency_ms_p95`, `latency_ms_p99`, `latency_ms_mean` per batch, `fps`,
            `params`, `macs`, the device and its circumstances.

        Raises:
            UserError: The backend, size, batch or precision is unknown or does not run here.
        """

    @property
    @abstractmethod
    def parameters(self) -> int | None:
        """Number of parameters; None for an exported file, which does not keep them apart."""

    @property
    @abstractmethod
    def macs(self) -> int | None:
        """Multiply-adds of one image at `size`; None for an exported file."""
