"""Groups of images that were recorded together, by their keys.

A key is the path of an image without its suffix, with `/` between folders, such as `seq1/frame_0001`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from ssr_mmseg.datasets.importing.layouts.path_words import IMAGE_ENDS
from ssr_mmseg.utils.errors import UserError

HERE = "."  # name of the folder of images without a folder, and of a sequence whose frames have only numbers
# The stem: text, separators, perhaps a word for "frame", the last run of digits, separators, text without digits.
SEPARATORS = r"[_\-. ()]"
NUMBERED = re.compile(
    rf"(.*?)({SEPARATORS}*)(?:(?<={SEPARATORS})f(?:rame)?{SEPARATORS}*)?([0-9]+)({SEPARATORS}*)([^0-9]*)",
    re.DOTALL | re.IGNORECASE,
)


def image_key(image: Path) -> str:
    """Return the key of an image by its relative path, without a usual end of such names, as `_leftImg8bit`."""
    key = image.with_suffix("").as_posix()
    end = next((end for end in IMAGE_ENDS if key.lower().endswith(end)), "")
    return key[: len(key) - len(end)]


def sequence_of(key: str) -> tuple[str, int | None]:
    """Return the name of an image's sequence and its frame number, None if its stem has no digits.

    The name is the folder and the stem without its last run of digits, and without `f` or `frame` between a separator
    and these: `seq1/left_0042` is frame 42 of `seq1/left`, and `0006R0_f00930` is frame 930 of `0006R0`.
    """
    folder, _, stem = key.rpartition("/")
    match = NUMBERED.fullmatch(stem)
    if match is None:
        return key, None
    before, left, digits, right, after = match.groups()
    separator = (left or right)[:1] if before and after else ""
    name = before + separator + after
    return "/".join(part for part in (folder, name) if part) or HERE, int(digits)


def folder_of(key: str) -> str:
    """Return the folder of an image, `.` if its key has none."""
    return str(PurePosixPath(key).parent)


GROUPINGS: dict[str, Callable[[str], str]] = {
    "sequence": lambda key: sequence_of(key)[0],
    "folder": folder_of,
    "image": lambda key: key,
}


def group_keys(keys: Iterable[str], by: str) -> dict[str, list[str]]:
    """Return the keys of each group, sorted by group; within a group by frame number and key.

    Args:
        keys: Keys of images, in any order.
        by: What images of one group have in common: `sequence`, `folder` or `image` (each image is a group).

    Raises:
        UserError: `by` is another word.
    """
    if by not in GROUPINGS:
        raise UserError(f"split: by is {by!r}, expected one of: {', '.join(GROUPINGS)}; choose one of them")
    groups: dict[str, list[str]] = {}
    for key in sorted(keys, key=_frame_order):
        groups.setdefault(GROUPINGS[by](key), []).append(key)
    return dict(sorted(groups.items()))


def auto_grouping(keys: Iterable[str]) -> str:
    """Return a grouping for `group_keys`: `folder`, `sequence` or `image`.

    Images of two or more folders are grouped by folder. Otherwise they are grouped by sequence if there are two or more
    sequences and at least half of the images have another frame of their sequence.
    """
    keys = list(keys)
    if len({folder_of(key) for key in keys}) >= 2:
        return "folder"
    frames = Counter(sequence_of(key)[0] for key in keys)  # images of each sequence
    with_company = sum(count for count in frames.values() if count >= 2)
    return "sequence" if len(frames) >= 2 and 2 * with_company >= len(keys) else "image"


def _frame_order(key: str) -> tuple[int, str]:
    number = sequence_of(key)[1]
    return (-1 if number is None else number), key
