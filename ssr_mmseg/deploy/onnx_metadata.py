"""Metadata of exported ONNX files, as JSON under the metadata key `ssr_mmseg`; read and written without torch.

With them a file can be used without its experiment.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from ssr_mmseg.utils import safe_parsing
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.limits import MAX_CLASSES, MAX_SIDE, pixels_problem
from ssr_mmseg.utils.plain_text import MAX_NAME, text_problem

KEY = "ssr_mmseg"
FORMAT = "ssr-onnx-1"
LARGEST = 1e6  # mean or deviation, in units of 0 to 255
MAX_LOGITS = 2**29  # of one image; 2 GiB as floats


@dataclass(frozen=True)
class OnnxMetadata:
    """Input preprocessing and output format of an exported network.

    Attributes:
        network: Name of the network.
        head: `labels` (N, H, W), the class of each pixel, or `logits` (N, classes, H, W).
        size: Height and width of the input; the only ones that a graph of fixed size accepts.
        classes: Name of class 0, 1, ….
        palette: RGB color of each class.
        mean, std: Of red, green and blue from 0 to 255: the input is (image − mean) / std.
        provenance: Commit and versions of the export.
        overlap: Pixels that neighboring windows share, where a window slides over images; None where they are resized.
    """

    network: str
    head: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    provenance: dict[str, Any]
    overlap: int | None = None

    def to_json(self) -> str:
        """Return the value of the metadata key."""
        return json.dumps({"format": FORMAT, "channels": "RGB", **asdict(self)})

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], origin: str) -> "OnnxMetadata":
        """Read and validate the metadata of an ONNX file.

        Raises:
            UserError: They are not those of an exported network.
        """
        advice = "create the file with: ssr-mmseg export"
        if KEY not in metadata:
            raise UserError(f"{origin} has no metadata {KEY!r}, which describe its input and output; {advice}")
        try:
            value = safe_parsing.parse_json(metadata[KEY].encode())
            if value["format"] != FORMAT:
                found = safe_parsing.quote(value["format"])
                raise UserError(f"{origin}: expected metadata of format {FORMAT}, found {found}; {advice}")
            parsed = cls(
                network=str(value["network"]),
                head=str(value["head"]),
                size=(int(value["size"][0]), int(value["size"][1])),
                classes=tuple(map(str, value["classes"])),
                palette=tuple((int(red), int(green), int(blue)) for red, green, blue in value["palette"]),
                mean=_triple(value["mean"]),
                std=_triple(value["std"]),
                provenance=dict(value["provenance"]),
                overlap=None if value.get("overlap") is None else int(value["overlap"]),
            )
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"{origin}: its metadata {KEY!r} are damaged ({one_line(repr(error), 200)}); {advice}"
            ) from error
        problem = parsed._problem()
        if problem:
            raise UserError(f"{origin}: its metadata {KEY!r} have {problem}; {advice}")
        return parsed

    def _problem(self) -> str | None:
        """Return the first invalid field as an error message, or None."""
        if self.head not in ("labels", "logits"):
            return f"the head {safe_parsing.quote(self.head)}, expected labels or logits"
        if not 1 <= len(self.classes) <= MAX_CLASSES:
            return f"{len(self.classes)} classes, expected 1 to {MAX_CLASSES}"
        for name in (self.network, *self.classes):
            if len(name) > MAX_NAME or text_problem(name):
                return f"the name {safe_parsing.quote(name)}, expected at most {MAX_NAME} characters of plain text"
        if len(self.palette) != len(self.classes):
            return f"{len(self.classes)} classes but {len(self.palette)} colors"
        if not all(0 <= channel <= 255 for color in self.palette for channel in color):
            return "a color outside 0 to 255"
        height, width = self.size
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            return f"the size {height}x{width}, expected sides of 1 to {MAX_SIDE}"
        if problem := pixels_problem(height, width):
            return f"a size that no network takes: expected {problem}"
        if self.head == "logits" and len(self.classes) * height * width > MAX_LOGITS:
            return (
                f"{len(self.classes)} logits for each of {height}x{width} pixels, expected at most {MAX_LOGITS} in all"
            )
        if self.overlap is not None and not 0 <= self.overlap < min(self.size):
            return f"the overlap {self.overlap}, expected 0 to {min(self.size) - 1}"
        if not all(abs(value) <= LARGEST for value in self.mean):
            return f"the mean {self.mean}, expected numbers of -{LARGEST:g} to {LARGEST:g}"
        if not all(1 / LARGEST <= value <= LARGEST for value in self.std):
            return f"the standard deviation {self.std}, expected numbers of {1 / LARGEST:g} to {LARGEST:g}"
        return None


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
