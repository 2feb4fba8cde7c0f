"""An entry of the section `datasets`: the data of one dataset, and its own values in other sections."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ssr_mmseg.settings.models.base import (
    FilePath,
    FilePathOrUrl,
    Mapping,
    Name,
    Section,
    Seed,
    Size,
    Suffix,
    UniqueList,
    optional,
)
from ssr_mmseg.utils.limits import MAX_SIDE
from ssr_mmseg.utils.plain_text import class_name_problem

DEFAULT_OVERLAP = 64  # of tiles, in pixels


def _check_class_name(name: str) -> str:
    """Return `name` unless results could not have it as the name of a class."""
    if problem := class_name_problem(name):
        raise PydanticCustomError("class_name", "class name", {"problem": problem})
    return name


Byte = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(gt=0, lt=1)]
LabelValue = Annotated[int, Field(ge=0, lt=2**31)]
LabelKey = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra={"format": "color or name"})]
SequenceName = Annotated[str, Field(min_length=1, max_length=1000)]
ClassName = Annotated[str, AfterValidator(_check_class_name)]
LabelMap = Annotated[dict[str, ClassName | int], Field(min_length=1, max_length=100_000)]
Color = Annotated[list[Byte], Field(min_length=3, max_length=3, json_schema_extra={"format": "[red, green, blue]"})]


def _overrides() -> Mapping:
    """Return the field of a dataset's own values in a section, which are validated as a part of that section."""
    return optional(
        "Values of the section of this name for this dataset alone, for example `retrain: {epochs: 50}`. Keys that are "
        "left out have the value of the section."
    )


class Split(Section):
    """Splits of a source that has none, or that has no val or no test: drawn, or read from a table."""

    val: Share | None = Field(default=None, description="Share of the images for validation.")
    test: Share | None = Field(default=None, description="Share of the images for the test.")
    seed: Seed = Field(default=0, description="Seed of the draw.")
    by: Literal["auto", "sequence", "folder", "image"] = Field(
        default="auto",
        description="What stays together in one split: frames of one `sequence` (names that differ in their number), "
        "the images of one `folder`, or nothing (`image`). `auto` chooses by the names of the images.",
    )
    table: FilePath | None = Field(
        default=None,
        description="Instead of all that: a CSV file with the columns image and split, such as the `split.csv` of an "
        "earlier draw, which says where each image belongs.",
    )


class Tiles(Section):
    """Tiles that large images are cut into for training; evaluation and prediction slide a window over the image."""

    size: Size | None = Field(default=None, description="Size of a tile; the same as that of the dataset.")
    overlap: Annotated[int, Field(ge=0, lt=MAX_SIDE)] = Field(
        default=DEFAULT_OVERLAP, description="Pixels that neighboring tiles share, along both sides."
    )


class Layout(Section):
    """Layout of a source, as far as it is not to be detected."""

    type: Name | None = Field(
        default=None, description="Kind of layout: `folders`, `voc`, `coco` or `labelme`; null to detect it."
    )
    images: FilePath | None = Field(default=None, description="Folder of the images, below `source`.")
    labels: FilePath | None = Field(default=None, description="Folder of the labels, below `source`.")
    image_suffix: Suffix | None = Field(
        default=None, description="What the names of images end in and those of labels do not, such as `_leftImg8bit`."
    )
    label_suffix: Suffix | None = Field(
        default=None, description="What the names of labels end in and those of images do not, such as `_mask`."
    )


class DatasetEntry(Section):
    """A dataset."""

    type: Name = Field(
        description="`streets`, `camvid`, `cityscapes`, `bdd100k`, `folder`, or the name of a file of your own in "
        "`config/mmseg/_base_/datasets/`."
    )
    source: FilePathOrUrl | None = Field(
        default=None,
        description="A folder, or an archive of it; a URL begins with https. `streets` is rendered and needs none. "
        "When the files in it change, run `prepare` again: `snakemake --forcerun prepare …`.",
    )
    size: Size = Field(
        description="Input size of every network in pixels, for search, training and evaluation. It is set here only."
    )
    train_split: Literal["train", "train+val"] = Field(
        default="train", description="What networks are retrained on. The search always uses `train`."
    )
    classes: UniqueList[ClassName] = optional(
        "Type `folder` only: names of the classes 0, 1, …; required unless `label_map` or the source has them. Other "
        "types know theirs.",
        min_length=2,
        max_length=255,
        json_schema_extra={"hint": "for a single class, name the rest too, as in [background, water]"},
    )
    label_map: LabelMap | FilePath | None = optional(
        'Type `folder` only: the class of each value, color (`"#80ff00"`, in quotes) or name in the labels, such as '
        "`{0: background, 255: water}`, or a table of classes and colors. Several keys may have one class. Left out: "
        "values are class ids."
    )
    ignore: list[LabelValue | LabelKey] = Field(
        default=[255],
        max_length=256,
        description="Type `folder` only: values, colors or names in the labels that count as unlabeled.",
    )
    palette: list[Color] = optional(
        "Type `folder` only: color of each class in pictures. Left out: the colors of `label_map`, or distinct ones.",
        max_length=255,
    )
    split: Split | None = optional("Type `folder` only: splits to draw, for a source without them.")
    tiles: Tiles | None = optional(
        "Type `folder` only: cut images into tiles of `size` instead of resizing them to it. Evaluation and prediction "
        "slide a window over the whole image. Left out: images are resized."
    )
    layout: Layout | None = optional("Type `folder` only: layout of the source. Left out: it is detected.")
    orientation: Literal["auto", "upright", "raw"] = Field(
        default="auto",
        description="Type `folder` only: whether labels of images that EXIF metadata turn were drawn on the `upright` "
        "image or on its `raw` pixels. `auto` decides by the size, and asks where that does not tell.",
    )
    hold_out: UniqueList[SequenceName] = optional(
        "Sequences (or folders) of train that become val, instead of the source's val: networks are then judged on "
        "scenes that they have not seen. A sequence is named by the part that the names of its images share, such as "
        "`0001TP` for `0001TP_006690.png`.",
        min_length=1,
        max_length=1000,
    )
    options: Mapping = Field(default={}, description="Options of the dataset's type.")
    latency: Mapping = _overrides()
    search: Mapping = _overrides()
    discretize: Mapping = _overrides()
    retrain: Mapping = _overrides()
    evaluate: Mapping = _overrides()
    profile: Mapping = _overrides()
