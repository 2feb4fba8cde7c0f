"""Choice of the convolutions that an int8 graph computes in float32, because int8 would cost too much accuracy."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.quantize import CalibratedGraph
from ssr_mmseg.utils.extras import require

if TYPE_CHECKING:
    import onnx

BATCHES = 4  # of the calibration images, on which the sensitivity of each convolution is measured


@dataclass(frozen=True)
class FloatLayers:
    """Convolutions that stay in float32, and the accuracy without and with them.

    Attributes:
        names: Names of their weights, the most sensitive first.
        loss_all_int8: Loss of accuracy with every convolution in int8.
        loss: Loss with the named ones in float32.
    """

    names: tuple[str, ...]
    loss_all_int8: float
    loss: float


def choose_float_layers(
    calibrated: CalibratedGraph, measure_loss: Callable[["onnx.ModelProto"], float], tolerance: float
) -> FloatLayers:
    """Choose as few convolutions as keep the loss of accuracy within the tolerance.

    Without any, if that suffices. Otherwise convolutions are added in the order of their sensitivity: how much smaller
    the error of the logits is if only that convolution stays in float32. If even all of them do not suffice, all stay.

    Args:
        calibrated: The network with its ranges.
        measure_loss: Function from a quantized graph to its loss of accuracy.
        tolerance: Largest loss that is accepted, in the unit of `measure_loss`.
    """
    losses: dict[int, float] = {0: measure_loss(calibrated.quantize())}
    if losses[0] <= tolerance:
        return FloatLayers((), losses[0], losses[0])
    order = sensitivity_order(calibrated)

    def loss(count: int) -> float:
        if count not in losses:
            losses[count] = measure_loss(calibrated.quantize(order[:count]))
        return losses[count]

    # The loss falls with the number of float layers but for noise, so that a few measurements find the number.
    count = bisect_left(range(len(order)), True, key=lambda number: loss(number) <= tolerance)
    return FloatLayers(tuple(order[:count]), losses[0], loss(count))


def sensitivity_order(calibrated: CalibratedGraph) -> list[str]:
    """Return the names of the convolutions' weights, the one whose quantization distorts the logits most first."""
    batches = calibrated.batches[:BATCHES]
    expected = _logits(calibrated.graph, batches)

    def error(layer: str) -> float:
        pairs = zip(_logits(calibrated.quantize([layer]), batches), expected, strict=True)
        return sum(float(np.square(logits - exact).sum(dtype=np.float64)) for logits, exact in pairs)

    return sorted(calibrated.layers, key=error)


def _logits(graph: "onnx.ModelProto", batches: list[np.ndarray]) -> list[np.ndarray]:
    """Run a graph on batches of images (N, 3, H, W)."""
    runtime = require("onnxruntime", "quantization")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run(None, {onnx_export.INPUT: images})[0] for images in batches]
