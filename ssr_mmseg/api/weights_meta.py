"""Description of a network's input and classes in the `meta` of its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.limits import MAX_CLASSES, MAX_SIDE
from ssr_mmseg.utils.plain_text import class_name_problem


def check_meta(meta: Mapping[str, Any], path: Path) -> None:
    """Check the parts of `meta` that are used: `dataset_meta`, `input_size` and `overlap`, as far as it has them.

    Args:
        meta: The description, from an untrusted file.
        path: The file, for the message.

    Raises:
        UserError: One of them is not what it should be.
    """
    if problem := _problem_of(meta):
        raise UserError(f"{path}: its meta have {problem}; give the weights.pth of a retraining")


def _problem_of(meta: Mapping[str, Any]) -> str:
    """Return what is wrong with the parts of `meta` that are used; empty for nothing."""
    data, size, overlap = (meta.get(key) for key in ("dataset_meta", "input_size", "overlap"))
    if data is not None and not _describes_classes(data):
        return "a dataset_meta that is not one of the names and colors of at most 256 classes"
    if size is not None and not _are_integers(size, 2, 1, MAX_SIDE):
        return f"the input_size {one_line(size, 40)}, expected a height and a width"
    if overlap is not None and not (size is not None and _are_integers([overlap], 1, 0, min(size) - 1)):
        return f"the overlap {one_line(overlap, 40)}, expected less than the sides of the input_size"
    return ""


def _describes_classes(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    names, colors = data.get("classes"), data.get("palette")
    return (names is None or (_is_short(names) and not any(map(class_name_problem, names)))) and (
        colors is None or (_is_short(colors) and all(_are_integers(color, 3, 0, 255) for color in colors))
    )


def _is_short(values: Any) -> bool:
    return isinstance(values, list | tuple) and len(values) <= MAX_CLASSES


def _are_integers(values: Any, count: int, least: int, most: int) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == count
        and all(type(value) is int and least <= value <= most for value in values)
    )
