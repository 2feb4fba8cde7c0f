"""Int8 in the backends that run ONNX graphs: calibration images in, a quantized graph out."""

from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from ssr_mmseg.profiling.backends.base import Backend
from ssr_mmseg.utils.errors import UserError

if TYPE_CHECKING:
    import onnx


class QuantizingBackend(Backend):
    """A backend that quantizes the graph that it exports, if its precision is int8.

    Attributes:
        name: Its name in the registry, for messages.
        calibration: Calibration images (K, 3, H, W).
        keep: Layers that stay in float32; see `deploy/quantize.py`.
    """

    name: ClassVar[str]
    calibration: Tensor | None = None
    keep: Collection[str] = ()

    def calibrate(self, images: Tensor, keep: Collection[str] = ()) -> None:
        self.calibration, self.keep = images, keep

    def calibration_images(self) -> Tensor:
        """Return the calibration images.

        Raises:
            UserError: There are none yet.
        """
        if self.calibration is None:
            raise UserError(f"backend {self.name} needs calibration images for int8; call calibrate first")
        return self.calibration

    def quantized(self, graph: "onnx.ModelProto") -> "onnx.ModelProto":
        """Quantize an exported graph.

        Raises:
            UserError: See `calibration_images`.
        """
        from ssr_mmseg.deploy.quantize import quantize

        return quantize(graph, self.calibration_images(), self.keep)
