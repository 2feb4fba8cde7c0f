"""Time from logits to labels in an exported file, which latency tables leave out."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.profiling.file_timing import FileRunner, ImageFile, prepare_file
from ssr_mmseg.profiling.interleaved import interleave
from ssr_mmseg.settings.models.networks import Preprocess

ROUNDS = 15


class Upsampled(nn.Module):
    """The end of a network: logits at 1/4 of the input from a few channels of the image, upsampled to its size."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, classes, 4, stride=4)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, classes, H, W)."""
        return nn.functional.interpolate(self.conv(images), scale_factor=4.0, mode="bilinear", align_corners=False)


def label_milliseconds(classes: int, size: tuple[int, int], backend: str, device: torch.device, threads: int) -> float:
    """Return the median milliseconds by which an exported file that returns labels is slower than one with logits.

    Args:
        classes: Number of classes.
        size: Height and width of the input.
        backend: What runs the file.
        device: The device.
        threads: CPU threads.

    Raises:
        UserError: The backend cannot run here.
    """
    runner = FileRunner(backend, device.type == "cuda", threads)
    with tempfile.TemporaryDirectory() as folder:
        steps = []
        for finish in (onnx_export.channels_last_output, onnx_export.to_labels):
            graph = onnx_export.export(Upsampled(classes).eval(), torch.zeros(1, 3, *size), user="fit")
            finish(graph)
            file = Path(folder) / f"{finish.__name__}.onnx"
            file.write_bytes(graph.SerializeToString())
            steps.append(prepare_file(ImageFile(file, size, Preprocess()), runner))
        logits, labels = np.median(interleave(steps, lambda: None, ROUNDS), axis=1)
    return max(0.0, float(labels - logits))
