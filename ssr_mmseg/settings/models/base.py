"""The base class of all sections, and the types that several of them use."""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A section of the configuration: no unknown keys, and no conversion between types (3.0 is not an integer)."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        model_title_generator=lambda model: re.sub("(?<!^)(?=[A-Z])", " ", model.__name__).capitalize(),
        field_title_generator=lambda name, _: name.replace("_", " ").capitalize(),
    )


class PluginSettings(Section):
    """The settings of a plug-in: the keys of the model are checked, all others are arguments of the plug-in's class."""

    model_config = ConfigDict(extra="allow")


def optional(description: str, **limits: Any) -> Any:
    """Return a field that may be left out; its description says what happens then."""
    return Field(default=None, description=description, **limits)


def _check_unique(values: list) -> list:
    """Return `values` unless one of them occurs twice."""
    seen = set()
    for index, value in enumerate(values):
        key = repr(value)  # lists and models are not hashable
        if key in seen:
            raise PydanticCustomError("duplicate", "duplicate", {"index": index})
        seen.add(key)
    return values


Item = TypeVar("Item")
UniqueList = Annotated[list[Item], AfterValidator(_check_unique), Field(json_schema_extra={"uniqueItems": True})]

# `format` names the form of a value for people: see `settings.type_text`.
Label = Annotated[str, Field(json_schema_extra={"format": "name"})]
Name = Annotated[Label, Field(pattern="^[A-Za-z0-9_]{1,100}$")]  # also a part of paths
FilePath = Annotated[str, Field(json_schema_extra={"format": "path"})]
Side = Annotated[int, Field(multiple_of=8, ge=32, le=8192)]  # pixels
Size = Annotated[list[Side], Field(min_length=2, max_length=2, json_schema_extra={"format": "[height, width]"})]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Seeds = Annotated[UniqueList[Seed], Field(min_length=1, max_length=1000)]
Dimension = Literal["depth", "dilation", "resolution", "mid_width", "out_width"]
Mapping = dict[str, Any]
