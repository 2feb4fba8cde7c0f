"""The section `search.cost`: multiply-adds, latency, or a plug-in's own cost."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ssr_mmseg.settings.models.base import Name, PluginSettings, Section, UniqueList, optional

TARGET_KEY = re.compile("target(_[A-Za-z]+)?")  # a plug-in's target, with or without a unit
OTHER_TYPE = "<other type>"  # tags in angle brackets cannot be mistaken for keys in the location of an error

Target = Annotated[float, Field(gt=0)]
Targets = Annotated[
    Annotated[Target, Tag("<number>")] | Annotated[UniqueList[Target], Field(min_length=1), Tag("<list>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list) else "<number>"),
]
Hold = Annotated[float, Field(gt=0)] | None

TYPE = (
    "What the cost term measures: `macs`, the multiply-adds; `latency`, the milliseconds on a device, predicted from a "
    "latency table (section `latency`); or another registered cost, whose target is `target` or `target_<unit>` and "
    "whose further keys are its arguments."
)
HOLD = "Weight of the cost term that holds the search to its target; null: only aim at the target, as the paper does."


class MacsCost(Section):
    """A share of the search space's multiply-adds."""

    type: Literal["macs"] = Field(description=TYPE)
    target: Targets = Field(
        description="With `macs`: the multiply-adds to end with, as a share of the space's reference cost. "
        "A list is one search per target."
    )
    hold: Hold = optional(HOLD)


class LatencyCost(Section):
    """The latency on a device."""

    type: Literal["latency"] = Field(description=TYPE)
    target_ms: Targets = Field(
        description="With `latency`: milliseconds per image to end with. A list is one search per target."
    )
    hold: Hold = optional(HOLD)


def _add_target(schema: dict[str, Any]) -> None:
    """Complete the JSON Schema of `PluginCost` by what its validator checks."""
    schema["properties"]["type"]["not"] = {"enum": ["macs", "latency"]}
    schema["patternProperties"] = {f"^{TARGET_KEY.pattern}$": _targets.json_schema()}
    schema["not"] = {"propertyNames": {"not": {"pattern": f"^{TARGET_KEY.pattern}$"}}}  # at least one such key


class PluginCost(PluginSettings):
    """A cost that a plug-in registers: one target, optionally `hold`, and the arguments of its class."""

    model_config = ConfigDict(json_schema_extra=_add_target)

    type: Name = Field(description=TYPE)
    hold: Hold = optional(HOLD)

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        """Check that there is exactly one target, and that it is a positive number or a list of them."""
        extra = self.model_extra or {}
        targets = [key for key in extra if key == "target" or key.startswith("target_")]
        if len(targets) != 1 or not TARGET_KEY.fullmatch(targets[0]):
            raise PydanticCustomError("plugin_target", "plugin_target", {"targets": targets})
        try:
            _targets.validate_python(extra[targets[0]], strict=True)
        except ValidationError as error:
            place = [part for part in error.errors()[0]["loc"] if isinstance(part, int)]
            raise PydanticCustomError("value", "value", {"place": [targets[0], *place]}) from None
        return self


_targets: TypeAdapter = TypeAdapter(Targets, config={"allow_inf_nan": False})


def _type_tag(value: Any) -> str:
    cost_type = value.get("type") if isinstance(value, dict) else None
    return f"<{cost_type}>" if cost_type in ("macs", "latency") else OTHER_TYPE


Cost = Annotated[
    Annotated[MacsCost, Tag("<macs>")]
    | Annotated[LatencyCost, Tag("<latency>")]
    | Annotated[PluginCost, Tag(OTHER_TYPE)],
    Discriminator(_type_tag),
    Field(description="What bounds the search, and the target to end with."),
]
