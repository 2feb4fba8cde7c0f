"""Exported networks on ONNX Runtime, from images to class labels. Imports neither torch nor mmseg."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.deploy.onnx_metadata import OnnxMetadata
from ssr_mmseg.deploy.onnx_session import open_session, reason
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.limits import MAX_BATCH, pixels_problem
from ssr_mmseg.utils.pixel_grid import resize_labels


class ExportedNetwork:
    """A file written by `ssr-mmseg export`, which segments images of any size.

    Its arguments and errors are those of `open_session`.

    Attributes:
        seconds: Time that all runs of the graph have taken, without reading, resizing and drawing.
    """

    def __init__(self, path: Path, provider: str = "cpu", threads: int = 0) -> None:
        self.path = path
        self.seconds = 0.0
        self.session: Any = open_session(path, provider, threads)
        try:
            self.metadata = OnnxMetadata.from_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))
            self.batch = self._fixed_batch()
        except UnicodeDecodeError as error:  # ONNX Runtime takes names of any bytes, and decodes them only now
            raise UserError(f"{path} has a name or metadata that are not UTF-8; export it again") from error

    def _fixed_batch(self) -> int:
        """Return the images per run, 1 if open, for which the frame is repeated.

        Raises:
            UserError: The graph does not accept the output of `feed`, takes too many pixels, or has several outputs.
        """
        outputs = len(self.session.get_outputs())
        if outputs != 1:
            raise UserError(f"{self.path} has {outputs} outputs, expected labels or logits alone; export it again")
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
        if problem := pixels_problem(*self.metadata.size, batch):
            raise UserError(f"{self.path}: expected {problem}; export it again for a smaller batch")
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
        return largest_logits(output, (height, width))

    def window(self, crop: np.ndarray) -> np.ndarray:
        """Return the output (see `run`) for a window of the input's size, from a crop (≤ h, ≤ w, 3), BGR, uint8.

        A smaller crop is padded with the mean color at the bottom and right.
        """
        (height, width), (rows, columns) = self.metadata.size, crop.shape[:2]
        images = self.feed(np.pad(crop, ((0, height - rows), (0, width - columns), (0, 0))))
        images[:, :, rows:] = 0  # the mean color
        images[:, :, :, columns:] = 0
        return self.run(np.repeat(images, self.batch, axis=0))

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the graph and return the output of the first image: (h, w) classes or (classes, h, w) logits."""
        onnxruntime = require("onnxruntime", "an exported network")
        try:
            feed = {self.session.get_inputs()[0].name: onnxruntime.OrtValue.ortvalue_from_numpy(batch)}
            begin = time.perf_counter()
            (value,) = self.session.run_with_ort_values(None, feed)
            self.seconds += time.perf_counter() - begin
        except Exception as error:  # its error types are private
            raise UserError(
                f"{self.path} cannot run on an image ({reason(error)}); export it again, perhaps for a smaller size"
            ) from error
        classes, labels = len(self.metadata.classes), self.metadata.head == "labels"
        kind = "tensor(uint8)" if labels else "tensor(float)"
        expected = [len(batch), *self.metadata.size] if labels else [len(batch), classes, *self.metadata.size]
        if value.shape() != expected or value.data_type() != kind:  # before it is copied to an array
            raise UserError(
                f"{self.path} returns a {value.data_type()} of shape {value.shape()}, expected {self.metadata.head} of "
                f"shape {expected}; export it again"
            )
        output: np.ndarray = value.numpy()[0]
        if labels and output.max() >= classes:
            raise UserError(
                f"{self.path} returns class {output.max()}, but its metadata name {classes} classes; export it again"
            )
        return output


def largest_logits(logits: Iterable[np.ndarray], size: Sequence[int]) -> np.ndarray:
    """Return the class of each pixel (H, W), uint8, whose logits (classes, h, w) are largest at the size (H, W).

    The logits are resized as in mmseg, but class by class: all at once would take `classes` times the image's memory.
    """
    height, width = size
    labels = np.zeros((height, width), np.uint8)
    largest = np.full((height, width), -np.inf, np.float32)
    for number, plane in enumerate(logits):
        resized = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        labels[resized > largest] = number
        np.fmax(largest, resized, out=largest)
    return labels
