"""Labels as their files hold them, before they are mapped to class ids, and the pairs of images and such labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

TRANSPARENT = -1  # code of a fully transparent pixel of a color label
GRAY = 0x010101  # a gray value times this is its color
BACKGROUND = "_background_"  # name of the pixels that no polygon covers, as in labelme

Kind = Literal["value", "color", "name"]


@dataclass(frozen=True)
class RawLabel:
    """A decoded label.

    Attributes:
        kind: What the codes are: `value` (gray value or palette index), `color` or `name`.
        codes: (H, W), int32: the value; or 0xRRGGBB, or `TRANSPARENT`; or the index of a name in `names`.
        names: Class names of the source, for the kind `name`.
        palette: Color of each palette index as 0xRRGGBB, for a `value` from a file with a palette; otherwise empty.
    """

    kind: Kind
    codes: np.ndarray
    names: tuple[str, ...] = ()
    palette: tuple[int, ...] = ()


class LabelSource(Protocol):
    """Where the label of one image comes from."""

    @property
    def path(self) -> Path:
        """The file that holds the label, for messages."""
        ...

    def read(self) -> RawLabel:
        """Decode the label.

        Raises:
            UserError: The file is missing, damaged or of an unsupported form.
        """
        ...


@dataclass(frozen=True)
class Pair:
    """An image and its label in a source.

    Attributes:
        key: Path below the folder of the split's images, with `/` and without suffix, such as `aachen/aachen_0001`.
        split: `train`, `val` or `test`; None if the source does not say.
        image: The image file.
        label: Its label.
    """

    key: str
    split: str | None
    image: Path
    label: LabelSource
