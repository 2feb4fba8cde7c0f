"""An exported network on ONNX Runtime: images in, classes out. Imports neither torch nor mmseg."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.deploy.onnx_metadata import OnnxMetadata
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.pixel_grid import resize_labels

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
MAX_BATCH = 256  # that a frame is repeated for


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
        self.path = path
        self.package = OnnxMetadata.from_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))
        self.batch = self._fixed_batch()

    def _fixed_batch(self) -> int:
        """Images per run of a graph of fixed batch, else 1; refuses a graph that does not take what `feed` gives."""
        inputs, expected = self.session.get_inputs(), (3, *self.package.size)
        shape = inputs[0].shape if len(inputs) == 1 else []  # numbers, or names where it is open
        sound = len(shape) == 4 and inputs[0].type == "tensor(float)"
        if not sound or any(
            isinstance(have, int) and have != want for have, want in zip(shape[1:], expected, strict=sound)
        ):
            raise UserError(f"{self.path} does not take the images {expected} of its metadata; export it anew")
        batch = shape[0] if isinstance(shape[0], int) else 1
        if not 1 <= batch <= MAX_BATCH:
            raise UserError(f"{self.path} takes {batch} images at once, expected 1 to {MAX_BATCH}; export it anew")
        return batch

    def feed(self, image: np.ndarray) -> np.ndarray:
        """An image (H, W, 3), BGR, uint8, as the network takes it: (1, 3, h, w), RGB, normalised, float32."""
        height, width = self.package.size
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        rgb = small[:, :, ::-1].astype(np.float32)
        mean, std = (np.array(values, np.float32) for values in (self.package.mean, self.package.std))
        return np.ascontiguousarray(((rgb - mean) / std).transpose(2, 0, 1)[None])

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Class of each pixel (H, W), uint8, of an image (H, W, 3), BGR, uint8."""
        answer = self._answer(np.repeat(self.feed(image), self.batch, axis=0))
        height, width = image.shape[:2]
        if self.package.head == "labels":
            return resize_labels(answer, (height, width))
        # as mmseg does: the logits at the image's size, then the largest
        logits = cv2.resize(answer.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR)
        return logits.argmax(axis=-1).astype(np.uint8)

    def _answer(self, batch: np.ndarray) -> np.ndarray:
        """What the graph says of the first of its images: (h, w) classes or (classes, h, w) logits."""
        try:
            answer = self.session.run(None, {self.session.get_inputs()[0].name: batch})[0][0]
        except Exception as error:  # see above
            problem = " ".join(str(error).split())[:200]
            raise UserError(f"{self.path} cannot run on an image ({problem}); export it anew") from error
        classes, labels = len(self.package.classes), self.package.head == "labels"
        expected = self.package.size if labels else (classes, *self.package.size)
        if answer.shape != expected or answer.dtype != (np.uint8 if labels else np.float32):
            found = f"{answer.dtype} of shape {answer.shape}"
            raise UserError(
                f"{self.path} answers with {found}, expected {self.package.head} {expected}; export it anew"
            )
        if labels and answer.max() >= classes:
            raise UserError(
                f"{self.path} answers with class {answer.max()}, its metadata name {classes}; export it anew"
            )
        return answer

    def overlay(self, image: np.ndarray, labels: np.ndarray, opacity: float) -> np.ndarray:
        """The image (H, W, 3), BGR, under the colours of its classes."""
        colours = np.array(self.package.palette, np.uint8)[:, ::-1]  # BGR
        return cv2.addWeighted(colours[labels], opacity, image, 1 - opacity, 0)
