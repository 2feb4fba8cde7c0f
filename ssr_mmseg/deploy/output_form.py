"""Recognition of what an ONNX file returns, labels or logits, and in which layout and resolution."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssr_mmseg.deploy.class_mapping import ClassMapping
from ssr_mmseg.settings.models.networks import Output
from ssr_mmseg.utils.errors import UserError

INTEGERS = ("tensor(bool)", *(f"tensor({sign}int{bits})" for sign in ("", "u") for bits in (8, 16, 32, 64)))
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")
NCHW, NHWC = "nchw", "nhwc"


@dataclass(frozen=True)
class OutputForm:
    """Form of an output.

    Attributes:
        kind: `labels` or `logits`.
        layout: Layout of logits, and of labels with an axis of length 1; empty for labels (N, H, W).
        size: Height and width of the map.
    """

    kind: str
    layout: str
    size: tuple[int, int]


def recognize_output(
    data_type: str,
    shape: Sequence[int],
    size: tuple[int, int],
    classes: ClassMapping,
    options: Output,
    origin: str,
) -> OutputForm:
    """Recognize labels (N, H, W), (N, 1, H, W) or (N, H, W, 1), or logits (N, classes, H, W) or (N, H, W, classes).

    The map has the size of the input, or one that is the input's divided by a whole number.

    Args:
        data_type: Type of the elements by its name in ONNX Runtime, such as `tensor(float)`.
        shape: Shape of the output for an input of `size`.
        size: Height and width of the input.
        classes: Classes of the file.
        options: What the configuration says about the output.
        origin: Start of the messages.

    Raises:
        UserError: It is none of these, or could be several; the message has the key that decides.
    """
    if data_type not in (*INTEGERS, *FLOATS):
        raise UserError(f"{origin} returns a {data_type}, expected numbers; choose another output by output.name")
    kind = options.kind if options.kind != "auto" else "labels" if data_type in INTEGERS else "logits"
    returned = f"{origin} returns a {data_type} of shape {list(shape)} for images of {size[0]}x{size[1]}"
    layouts = [layout for layout in (NCHW, NHWC) if options.layout in ("auto", layout)]
    if kind == "labels":
        if len(shape) == 3 and _is_map(shape[1:], size):
            return OutputForm(kind, "", (shape[1], shape[2]))
        forms = [
            form for layout in layouts for form in _forms(kind, layout, shape, size) if _channels(layout, shape) == 1
        ]
        expected = "labels of shape (N, H, W), (N, 1, H, W) or (N, H, W, 1)"
        remedy = "set output.kind to logits if these are, or choose another output by output.name"
    else:
        forms = [
            form
            for layout in layouts
            for form in _forms(kind, layout, shape, size)
            if classes.has(_channels(layout, shape))
        ]
        expected = f"logits of shape (N, C, H, W) or (N, H, W, C) with C = {classes.expected} classes"
        remedy = "list the file's classes in classes, or set output.kind to labels if these are class numbers"
    if len(forms) > 1:
        raise UserError(f"{returned}, which can be read as {NCHW} and as {NHWC}; set output.layout to one of them")
    if not forms:
        raise UserError(
            f"{returned}, expected {expected}, H and W being those of the images or divided by a whole number; {remedy}"
        )
    return forms[0]


def _forms(kind: str, layout: str, shape: Sequence[int], size: tuple[int, int]) -> list[OutputForm]:
    """Return the form of an output with four axes in a layout; none if its map does not fit the input."""
    if len(shape) != 4:
        return []
    height, width = shape[2:] if layout == NCHW else shape[1:3]
    return [OutputForm(kind, layout, (height, width))] if _is_map((height, width), size) else []


def _channels(layout: str, shape: Sequence[int]) -> int:
    return shape[1] if layout == NCHW else shape[3]


def _is_map(shape: Sequence[int], size: tuple[int, int]) -> bool:
    """Return whether a height and width are those of the input divided by one whole number, rounded up or down."""
    if not all(1 <= part <= whole for part, whole in zip(shape, size, strict=True)):
        return False
    strides = {stride for stride in range(1, min(size) + 1) if _divided(size[0], stride, shape[0])}
    return any(_divided(size[1], stride, shape[1]) for stride in strides)


def _divided(whole: int, stride: int, part: int) -> bool:
    return part in (whole // stride, -(-whole // stride))
