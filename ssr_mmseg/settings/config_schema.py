"""The JSON Schema of a configuration, derived from the models, and a way to look up the schema of one value."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from ssr_mmseg.settings.models import Experiment

ANY: dict = {}  # the schema that allows any value


class _Generator(GenerateJsonSchema):
    """A schema generator without the default None: it says that a key may be left out, not that its value is null."""

    def default_schema(self, schema: Any) -> dict[str, Any]:
        described = super().default_schema(schema)
        return {key: value for key, value in described.items() if (key, value) != ("default", None)}


@cache
def experiment_schema() -> dict:
    """Return the JSON Schema of a complete configuration, without references."""
    schema = Experiment.model_json_schema(schema_generator=_Generator)
    definitions = schema.pop("$defs")

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[-1]]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return {key: inline(value) for key, value in node.items()}

    return inline(schema)


def branches(schema: dict) -> list[dict]:
    """Return the alternatives of a schema; the schema itself if it has none."""
    return schema.get("oneOf") or schema.get("anyOf") or [schema]


def node_at(schema: dict, value: Any, path: Sequence[str | int]) -> dict:
    """Return the schema of the part of `value` at `path`, whether or not `value` fits the schema.

    Args:
        schema: Schema of `value`.
        path: Keys and indices; the last ones may be missing in `value`.
    """
    for part in path:
        schema = next(_children(schema, value, part), ANY)
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None
    return schema


def mapping_node(schema: dict, value: Any) -> dict:
    """Return the alternative of a schema that describes the mapping `value`; among several, the one of its `type`."""
    mappings = [branch for branch in branches(schema) if branch.get("type") == "object"]
    kind = value.get("type") if isinstance(value, dict) else None
    for branch in mappings:
        if branch.get("properties", ANY).get("type", ANY).get("const", kind) == kind:
            return branch
    return mappings[0] if mappings else ANY


def _children(schema: dict, value: Any, part: str | int) -> Iterator[dict]:
    """Yield the schemas that may describe `value[part]`."""
    if isinstance(part, int):
        yield from (branch["items"] for branch in branches(schema) if "items" in branch)
        return
    node = mapping_node(schema, value)
    if part in node.get("properties", ANY):
        yield node["properties"][part]
    yield from node.get("patternProperties", ANY).values()
