"""The base class of all sections, and the types that several of them use."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ssr_mmseg.settings import paths
from ssr_mmseg.utils import limits
from ssr_mmseg.utils.plain_text import text_problem


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


def _check_free(name: str) -> str:
    """Return `name` unless the folder of that name has other results."""
    if paths.is_reserved(name):
        raise PydanticCustomError("reserved", "reserved", {"name": name})
    return name


Item = TypeVar("Item")
UniqueList = Annotated[list[Item], AfterValidator(_check_unique), Field(json_schema_extra={"uniqueItems": True})]

# `format` names the form of a value for people: see `settings.type_text`.
Label = Annotated[str, Field(json_schema_extra={"format": "name"})]
Name = Annotated[Label, Field(pattern="^[A-Za-z0-9_]{1,100}$")]  # also a part of paths
FolderName = Annotated[Name, AfterValidator(_check_free)]  # of a folder below results/


def _check_path(text: str) -> str:
    """Return a path or a URL unless no file system can have it, or it is in the home folder of an unknown user."""
    try:
        Path(text).expanduser()
        longest = 0 if "://" in text else max(len(os.fsencode(part)) for part in text.split("/"))
    except (RuntimeError, UnicodeEncodeError):
        longest = MAX_PART + 1
    if longest > MAX_PART or text_problem(text):
        raise PydanticCustomError("value", "value", {"place": []})
    return text


MAX_PART = 255  # bytes of a name in a path: NAME_MAX of Linux
PATH_HINT = f"at most {MAX_PART} bytes between slashes, no control characters, and ~ of a user who exists"
_PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_check_path)]
FilePath = Annotated[_PathText, Field(json_schema_extra={"format": "path", "hint": PATH_HINT})]
FilePathOrUrl = Annotated[_PathText, Field(json_schema_extra={"format": "path or URL", "hint": PATH_HINT})]
Suffix = Annotated[str, Field(max_length=200)]


def _check_pixels(size: list[int]) -> list[int]:
    """Return a size unless an image of it has more pixels than a network takes at once."""
    if limits.pixels_problem(*size):
        raise PydanticCustomError("value", "value", {"place": []})
    return size


Side = Annotated[int, Field(multiple_of=8, ge=32, le=limits.MAX_SIDE)]  # pixels
SIZE_HINT = {"format": "[height, width]", "hint": f"at most {limits.MAX_INPUT_PIXELS} pixels; see config/README.md"}
Size = Annotated[
    list[Side], Field(min_length=2, max_length=2, json_schema_extra=SIZE_HINT), AfterValidator(_check_pixels)
]
Seed = Annotated[int, Field(ge=0, le=limits.MAX_SEED)]
Seeds = Annotated[UniqueList[Seed], Field(min_length=1, max_length=1000)]
Dimension = Literal["depth", "dilation", "resolution", "mid_width", "out_width"]
Mapping = dict[str, Any]
