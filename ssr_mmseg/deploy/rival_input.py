"""Conversion of images to the input of any ONNX file, and of its label maps back to the size of the image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ssr_mmseg.settings.models.networks import Preprocess
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.limits import MAX_BATCH, MAX_SIDE, pixels_problem

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
GRAY = 114  # of the padding, as in YOLO


@dataclass(frozen=True)
class InputForm:
    """Form of the only input of an ONNX file.

    Attributes:
        name: Its name.
        type: Type of its elements; bytes are pixels, without normalization.
        layout: `nchw` or `nhwc`.
        size: Height and width.
        batch: Images per run; 1 if any number is accepted.
        open_batch, open_size: Whether the file accepts other batches and sizes.
    """

    name: str
    type: type
    layout: str
    size: tuple[int, int]
    batch: int
    open_batch: bool
    open_size: bool

    def shape(self, batch: int, size: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of a batch of images of a size."""
        return (batch, 3, *size) if self.layout == "nchw" else (batch, *size, 3)


def recognize_input(
    inputs: Sequence[Any], options: Preprocess, default_size: tuple[int, int], origin: str
) -> InputForm:
    """Recognize the input of a file: one batch of images with three channels.

    Args:
        inputs: Inputs of a session: `name`, `type` and `shape`, whose sides are numbers or names of open ones.
        options: What the configuration says about it.
        default_size: Height and width for a file that accepts any.
        origin: Start of the messages.

    Raises:
        UserError: It is something else, or could be two things; the message has the key that decides.
    """
    if len(inputs) != 1:
        raise UserError(f"{origin} has {len(inputs)} inputs, expected images alone; export it with one input")
    given, shape = inputs[0], list(inputs[0].shape)
    accepted = f"{origin} takes a {given.type} of shape {shape}"
    if len(shape) != 4 or given.type not in TYPES:
        raise UserError(f"{accepted}, expected images (N, 3, H, W) or (N, H, W, 3) of {', '.join(TYPES)}; export it so")
    layouts = [
        layout
        for layout, axis in (("nchw", 1), ("nhwc", 3))
        if options.layout in ("auto", layout) and (shape[axis] == 3 or not isinstance(shape[axis], int))
    ]
    fixed = [layout for layout in layouts if shape[1 if layout == "nchw" else 3] == 3]
    layouts = fixed if len(fixed) == 1 else layouts
    if len(layouts) != 1:
        remedy = "set preprocess.layout to nchw or nhwc" if layouts else "expected an axis of length 3; export it so"
        raise UserError(f"{accepted}, in which the axis of the colors is unclear; {remedy}")
    sides = shape[2:] if layouts[0] == "nchw" else shape[1:3]
    asked = options.size or default_size
    height, width = (side if isinstance(side, int) else other for side, other in zip(sides, asked, strict=True))
    if options.size is not None and [height, width] != options.size:
        raise UserError(f"{accepted}, but preprocess.size is {options.size}; leave it out, because the file has a size")
    if not all(1 <= side <= MAX_SIDE for side in (height, width)):
        raise UserError(f"{accepted}, expected sides of 1 to {MAX_SIDE}; export it so")
    open_batch = not isinstance(shape[0], int)
    batch = 1 if open_batch else shape[0]
    if not 1 <= batch <= MAX_BATCH:
        raise UserError(f"{accepted}, expected 1 to {MAX_BATCH} images at once; export it so")
    if problem := pixels_problem(height, width, batch):
        raise UserError(f"{origin}: expected {problem}; export it for a smaller input")
    pixels = TYPES[given.type] is np.uint8
    if pixels and (named := sorted(options.model_fields_set & {"mean", "std", "scale"})):
        raise UserError(
            f"{accepted}, which are pixels as they are, found preprocess.{named[0]}; remove it, or export the file for "
            "floats"
        )
    open_size = not all(isinstance(side, int) for side in sides)
    return InputForm(given.name, TYPES[given.type], layouts[0], (height, width), batch, open_batch, open_size)


@dataclass(frozen=True)
class Placement:
    """Place of a resized image in the input: rows and columns, of an input of height and width `size`."""

    rows: slice
    columns: slice
    size: tuple[int, int]


def place(image: tuple[int, int], size: tuple[int, int], resize: str) -> Placement:
    """Return the place that an image of a height and width has in the input; all of it with `stretch`.

    With `letterbox` it is as large as fits, and in the middle; of an odd remainder, the larger part is after it.
    """
    if resize == "stretch":
        return Placement(slice(0, size[0]), slice(0, size[1]), size)
    ratio = min(size[0] / image[0], size[1] / image[1])
    lengths = [max(1, min(whole, round(side * ratio))) for side, whole in zip(image, size, strict=True)]
    starts = [(whole - length) // 2 for whole, length in zip(size, lengths, strict=True)]
    rows, columns = (slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
    return Placement(rows, columns, size)


def feed(image: np.ndarray, placement: Placement, form: InputForm, options: Preprocess) -> np.ndarray:
    """Convert an image (H, W, 3), BGR, uint8, to a batch of one in the layout and type of the input."""
    rows, columns = placement.rows, placement.columns
    length = (columns.stop - columns.start, rows.stop - rows.start)
    small = cv2.resize(image, length, interpolation=cv2.INTER_LINEAR)
    if (length[1], length[0]) != placement.size:
        whole = np.full((*placement.size, 3), GRAY, np.uint8)
        whole[rows, columns] = small
        small = whole
    if options.channels == "rgb":
        small = small[:, :, ::-1]
    if form.type is not np.uint8:
        scale, mean, std = (np.array(values, np.float32) for values in (options.scale, options.mean, options.std))
        small = ((small.astype(np.float32) / scale - mean) / std).astype(form.type)
    batch = small[None]
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if form.layout == "nchw" else batch)


def cut(
    plane: np.ndarray, placement: Placement, enlarge: Callable[[np.ndarray, tuple[int, int]], np.ndarray]
) -> np.ndarray:
    """Return the part of a map (h, w) of the whole input that belongs to the image.

    Args:
        plane: Values at the input's size or a fraction of it.
        placement: Place of the image; where that is not all, the map is first brought to the input's size.
        enlarge: Function of a map and a height and width.
    """
    rows, columns, size = placement.rows, placement.columns, placement.size
    if (rows, columns) == (slice(0, size[0]), slice(0, size[1])):
        return plane
    whole = plane if plane.shape == size else enlarge(plane, size)
    return whole[rows, columns]
