"""An exported network on ONNX Runtime: images in, classes out. Imports neither torch nor mmseg."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.deploy.package import Package
from ssr_mmseg.errors import UserError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
STRIDE = 8


class ExportedNetwork:
    """A file that `ssr-mmseg export` wrote, ready to segment images of any size.

    Args:
        path: the ONNX file.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: of the CPU; 0 for one per core.

    Raises:
        UserError: ONNX Runtime or the provider is missing, or the file is no exported network.
    """

    def __init__(self, path: Path, provider: str = "cpu", threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError("predict needs onnxruntime; run: pip install onnxruntime") from error
        if not Path(path).is_file():
            raise UserError(f"model {path} not found; make it with: ssr-mmseg export")
        wanted = PROVIDERS[provider]
        if wanted not in onnxruntime.get_available_providers():
            raise UserError(
                f"provider {provider} is not in this build of ONNX Runtime; run: pip install onnxruntime-gpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self.session: Any = onnxruntime.InferenceSession(str(path), options, providers=[wanted])
        except Exception as error:  # its errors have no common type that is public
            problem = " ".join(str(error).split())[:200]
            raise UserError(f"{path} is no ONNX model that ONNX Runtime takes ({problem}); export it anew") from error
        self.package = Package.from_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))
        shape = self.session.get_inputs()[0].shape  # numbers, or names where the size is open
        fixed = isinstance(shape[2], int) and isinstance(shape[3], int)
        if fixed and tuple(shape[2:]) != self.package.size:
            raise UserError(f"{path} takes {shape[2]}×{shape[3]} but its metadata say otherwise; export it anew")
        self.fixed_batch = shape[0] if isinstance(shape[0], int) else None

    def feed(self, image: np.ndarray) -> np.ndarray:
        """An image (H, W, 3), BGR, uint8, as the network takes it: (1, 3, h, w), RGB, normalised, float32."""
        height, width = self.package.size
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        rgb = small[:, :, ::-1].astype(np.float32)
        mean, std = (np.array(values, np.float32) for values in (self.package.mean, self.package.std))
        return np.ascontiguousarray(((rgb - mean) / std).transpose(2, 0, 1)[None])

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Class of each pixel (H, W), uint8, of an image (H, W, 3), BGR, uint8."""
        batch = self.feed(image)
        if self.fixed_batch is not None:
            batch = np.repeat(batch, self.fixed_batch, axis=0)
        answer = self.session.run(None, {self.session.get_inputs()[0].name: batch})[0][0]
        height, width = image.shape[:2]
        if self.package.head == "labels":
            return cv2.resize(answer, (width, height), interpolation=cv2.INTER_NEAREST)
        # as mmseg does: the logits at the image's size, then the largest
        logits = cv2.resize(answer.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR)
        return logits.argmax(axis=-1).astype(np.uint8)

    def overlay(self, image: np.ndarray, labels: np.ndarray, opacity: float) -> np.ndarray:
        """The image (H, W, 3), BGR, under the colours of its classes."""
        colours = np.array(self.package.palette, np.uint8)[:, ::-1]  # BGR
        return cv2.addWeighted(colours[labels], opacity, image, 1 - opacity, 0)
