"""Any ONNX file that segments images, run as exported networks are. Imports neither torch nor mmseg.

A file of `ssr-mmseg export` says itself how it is fed and what it returns; other files are described by an entry of
`networks`, and what that leaves open is recognized from the types and shapes of input and output.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.deploy.class_mapping import ClassMapping, map_classes, map_names
from ssr_mmseg.deploy.onnx_check import has_metadata, read_model
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.deploy.onnx_model import ExportedNetwork, largest_logits
from ssr_mmseg.deploy.onnx_session import open_session, reason
from ssr_mmseg.deploy.output_form import NHWC, recognize_output
from ssr_mmseg.deploy.rival_input import GRAY, cut, feed, place, recognize_input
from ssr_mmseg.deploy.sliding_window import segment
from ssr_mmseg.settings.models.networks import Rival
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.pixel_grid import resize_labels


class RivalNetwork:
    """A file that an entry of `networks` describes, which segments images of any size into a dataset's classes.

    Args:
        path: The ONNX file.
        rival: Its entry.
        classes: Names of the dataset's classes.
        size: Height and width of the input if the file accepts any.
        overlap: Pixels that neighboring windows share, if a window is to slide over images; None to resize them.
        threads: CPU threads; 0 for one per core.

    Raises:
        UserError: It cannot be opened or run, or its input, output or classes do not fit the entry or the dataset.
    """

    def __init__(
        self,
        path: Path,
        rival: Rival,
        classes: Sequence[str],
        size: tuple[int, int],
        overlap: int | None = None,
        threads: int = 0,
    ) -> None:
        self.path, self.rival = path, rival
        self.origin = f"networks: {rival.name}: {path}"
        self.session: Any = open_session(path, threads=threads)
        self.mapping: ClassMapping = map_classes(rival.classes, classes, f"networks: {rival.name}")
        try:
            self.input = recognize_input(self.session.get_inputs(), rival.preprocess, size, self.origin)
            self.output = self._output_name()
        except UnicodeDecodeError as error:  # ONNX Runtime takes names of any bytes, and decodes them only now
            raise UserError(f"{self.origin} has a name that is not UTF-8; export it again") from error
        self.metadata = OnnxMetadata(
            network=rival.name,
            head="labels",
            size=self.input.size,
            classes=tuple(classes),
            palette=((0, 0, 0),) * len(classes),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            provenance={},
            overlap=overlap,
        )
        self.labels(np.zeros((*self.input.size, 3), np.uint8))  # recognizes the output

    def _output_name(self) -> str:
        names = [output.name for output in self.session.get_outputs()]
        wanted = self.rival.output.name
        if wanted is None and len(names) != 1:
            raise UserError(f"{self.origin} has the outputs {', '.join(names)[:200]}; name one of them in output.name")
        if wanted is not None and wanted not in names:
            raise UserError(
                f"{self.origin} has no output {wanted}; correct output.name to one of {', '.join(names)[:200]}"
            )
        return wanted or names[0]

    def segment(self, image: np.ndarray) -> np.ndarray:
        """Return the dataset's class of each pixel (H, W), uint8, 255 for none, of an image (H, W, 3), BGR, uint8.

        An image is resized, or covered by windows of the input's size if there is an overlap.
        """
        return segment(self, image)

    def labels(self, image: np.ndarray) -> np.ndarray:
        """Return the dataset's class of each pixel (H, W), uint8, 255 for none, of an image that is resized."""
        height, width = image.shape[:2]
        where = place((height, width), self.input.size, self.rival.preprocess.resize)
        output = self._run(np.repeat(feed(image, where, self.input, self.rival.preprocess), self.input.batch, axis=0))
        if output.ndim == 2:
            labels = resize_labels(cut(output, where, resize_labels), (height, width))
        else:
            labels = largest_logits((cut(plane, where, _enlarge) for plane in output), (height, width))
        return self.mapping.apply(labels)

    def window(self, crop: np.ndarray) -> np.ndarray:
        """Return the dataset's class of each pixel of a window (h, w), uint8, from a crop (≤ h, ≤ w, 3), BGR, uint8."""
        (height, width), (rows, columns) = self.input.size, crop.shape[:2]
        padding = ((0, height - rows), (0, width - columns), (0, 0))
        return self.labels(np.pad(crop, padding, constant_values=GRAY))

    def _run(self, batch: np.ndarray) -> np.ndarray:
        """Run the graph and return the output of the first image: (h, w) classes, uint8, or (classes, h, w) logits."""
        onnxruntime = require("onnxruntime", "an ONNX file")
        try:
            value = onnxruntime.OrtValue.ortvalue_from_numpy(batch)
            (value,) = self.session.run_with_ort_values([self.output], {self.input.name: value})
        except Exception as error:  # its error types are private
            raise UserError(
                f"{self.origin} cannot run on an image ({reason(error)}); correct preprocess, or export it again"
            ) from error
        shape = value.shape()  # before it is copied to an array
        form = recognize_output(value.data_type(), shape, self.input.size, self.mapping, self.rival.output, self.origin)
        if shape[0] != len(batch):
            raise UserError(f"{self.origin} returns {shape[0]} maps for {len(batch)} images; export it again")
        output: np.ndarray = value.numpy()[0]
        if form.kind == "logits":
            planes = output.transpose(2, 0, 1) if form.layout == NHWC else output
            return planes.astype(np.float32, copy=False)
        return self._checked(output.reshape(form.size))

    def _checked(self, labels: np.ndarray) -> np.ndarray:
        """Return labels (h, w) as bytes, after checking that they are numbers of classes."""
        low, high = labels.min(), labels.max()
        most = 255 if self.mapping.count is None else self.mapping.count - 1
        if not (low >= 0 and high <= most) or (labels.dtype.kind == "f" and (labels != np.rint(labels)).any()):
            raise UserError(
                f"{self.origin} returns values of {low} to {high} as classes, expected whole numbers from 0 to {most}; "
                "list its classes in classes, or correct output.kind"
            )
        return labels.astype(np.uint8)


class MappedExport:
    """A file of `ssr-mmseg export`, whose classes are mapped to those of a dataset.

    Its arguments and errors are those of `RivalNetwork`, but the file has size and overlap, and says how it is fed.
    """

    def __init__(self, path: Path, rival: Rival, classes: Sequence[str], threads: int = 0) -> None:
        self.path, self.origin = path, f"networks: {rival.name}: {path}"
        if named := sorted(rival.model_fields_set & {"preprocess", "output"}):
            raise UserError(f"{self.origin} is a file of ssr-mmseg export, which says this itself; remove {named[0]}")
        self.network = ExportedNetwork(path, threads=threads)
        self.session, self.metadata = self.network.session, self.network.metadata
        self.input = recognize_input(self.session.get_inputs(), rival.preprocess, self.metadata.size, self.origin)
        self.output = self.session.get_outputs()[0].name
        names = self.metadata.classes
        if rival.classes is None:
            self.mapping = map_names(names, classes, self.origin)
            return
        self.mapping = map_classes(rival.classes, classes, f"networks: {rival.name}")
        if not self.mapping.has(len(names)):
            raise UserError(
                f"{self.origin} has {len(names)} classes, expected {self.mapping.expected} by classes; correct them"
            )

    def segment(self, image: np.ndarray) -> np.ndarray:
        """Return the dataset's class of each pixel (H, W), uint8, 255 for none, of an image (H, W, 3), BGR, uint8."""
        return self.mapping.apply(segment(self.network, image))


def open_rival(
    path: Path,
    rival: Rival,
    classes: Sequence[str],
    size: tuple[int, int],
    overlap: int | None = None,
    threads: int = 0,
) -> RivalNetwork | MappedExport:
    """Open a file by what it says about itself, if it is one of `ssr-mmseg export`, or else by its entry.

    Arguments and errors are those of `RivalNetwork`.
    """
    if not path.is_file():
        raise UserError(f"networks: {rival.name}: file {path} not found; correct the path")
    if has_metadata(read_model(path), KEY):
        return MappedExport(path, rival, classes, threads)
    return RivalNetwork(path, rival, classes, size, overlap, threads)


def _enlarge(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
