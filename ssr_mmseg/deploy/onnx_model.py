"""Exported networks on ONNX Runtime, from images to class labels. Imports neither torch nor mmseg."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.deploy.onnx_metadata import OnnxMetadata
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.pixel_grid import resize_labels

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
MAX_BATCH = 256  # of a graph with a fixed batch, for which the frame is repeated


class ExportedNetwork:
    """A file written by `ssr-mmseg export`, which segments images of any size.

    Args:
        path: The ONNX file.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: CPU threads; 0 for one per core.

    Raises:
        UserError: ONNX Runtime or the provider is missing, or the file is not an exported network.
    """

    def __init__(self, path: Path, provider: str = "cpu", threads: int = 0) -> None:
        onnxruntime = require("onnxruntime", "an exported network")
        if not Path(path).is_file():
            raise UserError(f"model {path} not found; create it with: ssr-mmseg export")
        provider_name = PROVIDERS[provider]
        if provider_name not in onnxruntime.get_available_providers():
            raise UserError(
                f"provider {provider} is not in this build of ONNX Runtime; run: pip install onnxruntime-gpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self.session: Any = onnxruntime.InferenceSession(str(path), options, providers=[provider_name])
        except Exception as error:  # its error types are private
            problem = " ".join(str(error).split())[:200]
            raise UserError(
                f"{path} is not an ONNX model that ONNX Runtime can load ({problem}); export it again"
            ) from error
        self.path = path
        self.metadata = OnnxMetadata.from_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))
        self.batch = self._fixed_batch()

    def _fixed_batch(self) -> int:
        """Return the images per run, 1 if open; raise `UserError` if the graph does not accept the output of `feed`."""
        inputs, expected = self.session.get_inputs(), (3, *self.metadata.size)
        shape = inputs[0].shape if len(inputs) == 1 else []  # numbers, or names of open dimensions
        sound = len(shape) == 4 and inputs[0].type == "tensor(float)"
        if not sound or any(
            isinstance(side, int) and side != other for side, other in zip(shape[1:], expected, strict=sound)
        ):
            raise UserError(
                f"{self.path} does not accept images of shape {expected}, which its metadata give; export it again"
            )
        batch = shape[0] if isinstance(shape[0], int) else 1
        if not 1 <= batch <= MAX_BATCH:
            raise UserError(f"{self.path} takes {batch} images at once, expected 1 to {MAX_BATCH}; export it again")
        return batch

    def feed(self, image: np.ndarray) -> np.ndarray:
        """Convert an image (H, W, 3), BGR, uint8, to the network's input: (1, 3, h, w), RGB, normalized, float32."""
        height, width = self.metadata.size
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        rgb = small[:, :, ::-1].astype(np.float32)
        mean, std = (np.array(values, np.float32) for values in (self.metadata.mean, self.metadata.std))
        return np.ascontiguousarray(((rgb - mean) / std).transpose(2, 0, 1)[None])

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Return the class of each pixel (H, W), uint8, of an image (H, W, 3), BGR, uint8."""
        output = self.run(np.repeat(self.feed(image), self.batch, axis=0))
        height, width = image.shape[:2]
        if self.metadata.head == "labels":
            return resize_labels(output, (height, width))
        # as in mmseg: the largest of the logits at the image's size
        logits = cv2.resize(output.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR)
        return logits.argmax(axis=-1).astype(np.uint8)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the graph and return the output of the first image: (h, w) classes or (classes, h, w) logits."""
        try:
            output = self.session.run(None, {self.session.get_inputs()[0].name: batch})[0][0]
        except Exception as error:  # its error types are private
            problem = " ".join(str(error).split())[:200]
            raise UserError(f"{self.path} cannot run on an image ({problem}); export it again") from error
        classes, labels = len(self.metadata.classes), self.metadata.head == "labels"
        expected = self.metadata.size if labels else (classes, *self.metadata.size)
        if output.shape != expected or output.dtype != (np.uint8 if labels else np.float32):
            found = f"{output.dtype} of shape {output.shape}"
            raise UserError(
                f"{self.path} returns {found}, expected {self.metadata.head} of shape {expected}; export it again"
            )
        if labels and output.max() >= classes:
            raise UserError(
                f"{self.path} returns class {output.max()}, but its metadata name {classes} classes; export it again"
            )
        return output

    def overlay(self, image: np.ndarray, labels: np.ndarray, opacity: float) -> np.ndarray:
        """Blend the colors of the classes over the image (H, W, 3), BGR."""
        colors = np.array(self.metadata.palette, np.uint8)[:, ::-1]  # BGR
        return cv2.addWeighted(colors[labels], opacity, image, 1 - opacity, 0)
