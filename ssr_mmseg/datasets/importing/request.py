"""What a dataset's entry in a configuration says about its labels, layout and splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ssr_mmseg.datasets.importing.layouts.options import LayoutOptions
from ssr_mmseg.settings.models.datasets import DEFAULT_OVERLAP


@dataclass(frozen=True)
class SplitRequest:
    """Splits to draw from a source that has none, or no val or test.

    Attributes:
        shares: Share of the images of `val` and, if it is wanted, of `test`.
        seed: Seed of the draw.
        by: What stays together: `sequence`, `folder`, `image`, or `auto` to choose by the names.
        table: CSV file with the split of each image, instead of a draw.
    """

    shares: Mapping[str, float]
    seed: int = 0
    by: str = "auto"
    table: str | None = None


@dataclass(frozen=True)
class Tiles:
    """Tiles that images are cut into.

    Attributes:
        size: Height and width of a tile in pixels.
        overlap: Pixels that neighboring tiles share.
    """

    size: tuple[int, int]
    overlap: int


@dataclass(frozen=True)
class ImportRequest:
    """How the images and labels of a source are to be read.

    Attributes:
        origin: The entry, for messages.
        classes: Class names in the order of their ids; None to take them from `label_map` or the source.
        label_map: Class by value, color or name in the labels, or the path of a class table; None for ids as they are.
        ignore: Values, colors or names to ignore; None for the value 255.
        layout: The source's layout, as far as it is not to be detected.
        split: Splits to draw; None if the source has them.
        orientation: Whether labels were drawn on `upright` images or on their `raw` pixels, where EXIF metadata turn an
            image and sizes do not tell; `auto` to ask.
        palette: Color of each class in pictures; None to take those of `label_map`, or distinct ones.
        tiles: Tiles to cut images into; None to keep them whole.
    """

    origin: str
    classes: tuple[str, ...] | None = None
    label_map: Mapping[str, str | int] | str | None = None
    ignore: tuple[int | str, ...] | None = None
    layout: LayoutOptions = field(default_factory=LayoutOptions)
    split: SplitRequest | None = None
    orientation: str = "auto"
    palette: tuple[tuple[int, int, int], ...] | None = None
    tiles: Tiles | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "ImportRequest":
        """Read the request from a dataset's validated entry, which has its `name`."""
        split = dict(settings.get("split") or {})
        shares = {name: split[name] for name in ("val", "test") if split.get(name)}
        classes, ignore, palette = (settings.get(key) for key in ("classes", "ignore", "palette"))
        return cls(
            origin=f"dataset {settings['name']}",
            classes=tuple(classes) if classes else None,
            label_map=settings.get("label_map"),
            ignore=None if ignore is None else tuple(ignore),
            layout=LayoutOptions(**(settings.get("layout") or {})),
            split=SplitRequest(shares, split.get("seed", 0), split.get("by", "auto"), split.get("table"))
            if split
            else None,
            orientation=settings.get("orientation") or "auto",
            palette=None if palette is None else tuple(map(tuple, palette)),
            tiles=tiles_of(settings),
        )


def tiles_of(settings: Mapping[str, Any]) -> Tiles | None:
    """Return the tiles in a dataset's entry, which are as large as the network's input; None without them."""
    tiles = settings.get("tiles")
    if tiles is None:
        return None
    height, width = settings["size"]
    return Tiles((height, width), tiles.get("overlap", DEFAULT_OVERLAP))
