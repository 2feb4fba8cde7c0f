"""An entry of the section `datasets`: the data of one dataset, and its own values in other sections."""

from typing import Annotated, Literal

from pydantic import Field

from ssr_mmseg.settings.models.base import Mapping, Name, Section, Size, UniqueList, optional

Byte = Annotated[int, Field(ge=0, le=255)]
Color = Annotated[list[Byte], Field(min_length=3, max_length=3, json_schema_extra={"format": "[red, green, blue]"})]


def _overrides() -> Mapping:
    """Return the field of a dataset's own values in a section, which are validated as a part of that section."""
    return optional(
        "Values of the section of this name for this dataset alone, for example `retrain: {epochs: 50}`. Keys that are "
        "left out have the value of the section."
    )


class DatasetEntry(Section):
    """A dataset."""

    type: Name = Field(
        description="`streets`, `camvid`, `cityscapes`, `bdd100k`, `folder`, or the name of a file of your own in "
        "`config/mmseg/_base_/datasets/`."
    )
    source: Annotated[str, Field(json_schema_extra={"format": "path or URL"})] | None = Field(
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
    classes: UniqueList[str] = optional(
        "Type `folder` only, and required there: names of the classes 0, 1, …. Other types know theirs.",
        min_length=2,
        max_length=255,
    )
    palette: list[Color] = optional(
        "Type `folder` only: color of each class in pictures. Left out: distinct colors are chosen.", max_length=255
    )
    ignore: list[Byte] = Field(
        default=[255], max_length=256, description="Type `folder` only: label values that count as unlabeled."
    )
    options: Mapping = Field(default={}, description="Options of the dataset's type.")
    latency: Mapping = _overrides()
    search: Mapping = _overrides()
    discretize: Mapping = _overrides()
    retrain: Mapping = _overrides()
    evaluate: Mapping = _overrides()
    profile: Mapping = _overrides()
