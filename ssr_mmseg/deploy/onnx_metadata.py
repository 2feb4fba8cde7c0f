"""Metadata of exported ONNX files, as JSON under the metadata key `ssr_mmseg`; read and written without torch.

With them a file can be used without its experiment.
"""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from ssr_mmseg.utils import safe_parsing
from ssr_mmseg.utils.errors import UserError

KEY = "ssr_mmseg"
FORMAT = "ssr-onnx-1"
MAX_CLASSES = 256  # labels are bytes
MAX_SIDE = 2**14  # pixels; more than any network is fed


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
                raise UserError(f"{origin}: expected metadata of format {FORMAT}, found {value['format']!r}; {advice}")
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
            raise UserError(f"{origin}: its metadata {KEY!r} are damaged ({error!r}); {advice}") from error
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
        if len(self.palette) != len(self.classes):
            return f"{len(self.classes)} classes but {len(self.palette)} colors"
        if not all(0 <= channel <= 255 for color in self.palette for channel in color):
            return "a color outside 0 to 255"
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            return f"the size {self.size[0]}x{self.size[1]}, expected sides of 1 to {MAX_SIDE}"
        if self.overlap is not None and not 0 <= self.overlap < min(self.size):
            return f"the overlap {self.overlap}, expected 0 to {min(self.size) - 1}"
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            return "a mean that is not finite or a standard deviation that is not positive"
        return None


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
