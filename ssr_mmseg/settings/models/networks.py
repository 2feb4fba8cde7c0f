"""A network that is an ONNX file: how it is fed, what it returns, and the dataset's class for each of its classes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ssr_mmseg.settings.models.base import FilePath, Label, Name, Section, optional
from ssr_mmseg.utils import limits

Value = Annotated[float, Field(ge=-1e6, le=1e6)]
Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]
RgbValues = Annotated[list[Value], Field(min_length=3, max_length=3)]
RgbDeviations = Annotated[list[Deviation], Field(min_length=3, max_length=3)]
Layout = Literal["auto", "nchw", "nhwc"]
Pixels = Annotated[int, Field(ge=1, le=limits.MAX_SIDE)]


def _check_size(size: list[int]) -> list[int]:
    """Return a size unless an image of it has more pixels than a network takes at once."""
    if limits.pixels_problem(*size):
        raise PydanticCustomError("value", "value", {"place": []})
    return size


FileSize = Annotated[
    list[Pixels],
    Field(
        min_length=2,
        max_length=2,
        json_schema_extra={"format": "[height, width]", "hint": f"at most {limits.MAX_INPUT_PIXELS} pixels"},
    ),
    AfterValidator(_check_size),
]


class Preprocess(Section):
    """Steps from an image to the input of the file: (pixels / scale − mean) / std. The defaults are those of YOLO."""

    scale: float = Field(default=255.0, gt=0, le=1e6, description="Divisor of the pixels, which are 0 to 255.")
    mean: RgbValues = Field(
        default=[0.0, 0.0, 0.0], description="Subtracted after the division by `scale`, in the order of `channels`."
    )
    std: RgbDeviations = Field(default=[1.0, 1.0, 1.0], description="Divisor after that, in the order of `channels`.")
    channels: Literal["rgb", "bgr"] = Field(default="rgb", description="Order of the colors.")
    layout: Layout = Field(
        default="auto", description="Order of the input's axes. `auto`: the axis of length 3 decides."
    )
    resize: Literal["stretch", "letterbox"] = Field(
        default="stretch",
        description="`stretch` to the input's size, or `letterbox`: keep the aspect ratio and pad with gray.",
    )
    size: FileSize | None = optional("Input size of a file that accepts any; left out: the dataset's.")


class Output(Section):
    """Form of the output of the file."""

    name: Label | None = optional("Which output it is; left out: the only one.")
    kind: Literal["auto", "labels", "logits"] = Field(
        default="auto",
        description="`labels` (class of each pixel) or `logits` (a value for each class and pixel). `auto`: integers "
        "are labels, others logits.",
    )
    layout: Layout = Field(
        default="auto",
        description="Order of the axes of logits. `auto`: the axis whose length is the number of classes decides.",
    )


ClassNumber = Annotated[str, Field(pattern="^(0|[1-9][0-9]{0,2})$")]
DatasetClass = Annotated[str, Field(min_length=1, max_length=200)] | Annotated[int, Field(ge=0, le=254)] | None


class Rival(Section):
    """A network that others have trained, as an ONNX file."""

    onnx: FilePath = Field(
        description="The file, in the working directory or the project. Its content is part of the result."
    )
    name: Name = Field(description="Its name in the table and in the paths of results.")
    preprocess: Preprocess = Field(
        default=Preprocess(), description="How it is fed. A file of `ssr-mmseg export` says this itself."
    )
    output: Output = Field(
        default=Output(), description="What it returns. A file of `ssr-mmseg export` says this itself."
    )
    classes: (
        Annotated[list[DatasetClass], Field(min_length=1, max_length=limits.MAX_CLASSES)]
        | Annotated[dict[ClassNumber, DatasetClass], Field(min_length=1, max_length=limits.MAX_CLASSES)]
        | None
    ) = optional(
        "Name or number of the dataset's class for each of the file's classes: a list of all of them, or a mapping "
        "from the file's numbers. null, or left out of the mapping: none, so that its pixels count as wrong. Left out: "
        "the file has the dataset's classes in the dataset's order; a file of `ssr-mmseg export` has names.",
    )


def entry_tag(value: Any) -> str:
    """Return the tag of an entry of `networks`."""
    return "<mapping>" if isinstance(value, dict) else "<name>"
