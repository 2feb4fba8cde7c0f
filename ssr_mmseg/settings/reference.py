"""Generate the reference of the configuration's keys from the models and config/config.yaml: `make schema`.

The reference is workflow/schemas/config.schema.yaml, which Snakemake's workflow catalog shows, and the tables in
config/README.md between `<!-- keys: SECTION -->` and `<!-- end -->`. The text around the tables is edited by hand.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.config_schema import branches, experiment_schema, mapping_node
from ssr_mmseg.settings.paths import DEFAULTS
from ssr_mmseg.settings.type_text import type_text

SCHEMA = "workflow/schemas/config.schema.yaml"
README = "config/README.md"
NEVER_FILLED = ("datasets", "ablation")  # sections whose keys do not get default values
TABLE = re.compile(r"(<!-- keys: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
LONGEST = 90  # characters of a default value in a table
NO_DEFAULT = "–"
FIRST = ("$schema", "title", "description", "type", "default")  # keywords at the beginning of a schema
LAST = ("required", "properties", "patternProperties")  # and at its end


class Row(NamedTuple):
    """A row of a table of keys."""

    key: str
    type: str
    default: str
    meaning: str


def documented_schema() -> dict:
    """Return the JSON Schema of what a user may write: the values of config/config.yaml are defaults."""
    schema = copy.deepcopy(experiment_schema())
    for key, value in _default_values().items():
        _add_defaults(schema, key, value, fill=key not in NEVER_FILLED)
    return _ordered({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def _default_values() -> dict:
    return yaml.safe_load((paths.PROJECT / DEFAULTS).read_text(encoding="utf-8"))


def _add_defaults(schema: dict, key: str, value: Any, fill: bool = True) -> None:
    """Document that `key` may be left out of a mapping, and then has `value`."""
    schema["required"] = [name for name in schema.get("required", ()) if name != key]
    node = schema["properties"][key]
    inner = mapping_node(node, value) if isinstance(value, dict) else {}
    if fill and "properties" in inner:
        for name, default in value.items():
            _add_defaults(inner, name, default)
    else:
        node["default"] = value


def _ordered(node: Any) -> Any:
    """Sort the keywords of a schema: titles and descriptions first, the keys of a mapping last."""
    if isinstance(node, list):
        return [_ordered(item) for item in node]
    if not isinstance(node, dict):
        return node
    others = [key for key in node if key not in (*FIRST, *LAST)]
    return {
        key: copy.deepcopy(node[key]) if key == "default" else _ordered(node[key])
        for key in (*FIRST, *others, *LAST)
        if key in node and (key, node[key]) != ("required", [])
    }


def schema_text() -> str:
    """Return the content of workflow/schemas/config.schema.yaml."""
    header = "# Made by `make schema` from ssr_mmseg/settings/models/ and config/config.yaml: edit those.\n"
    return header + yaml.safe_dump(documented_schema(), sort_keys=False, allow_unicode=True, width=120)


def readme_text(text: str) -> str:
    """Return the content of config/README.md with its tables replaced by those of the models."""
    sections = [name for _, name, _, _ in TABLE.findall(text)]
    return TABLE.sub(lambda match: f"{match[1]}\n{_table(match[2], sections)}\n{match[4]}", text)


def _table(section: str, sections: list[str]) -> str:
    """Return the table of a section; `experiment` is the table of the keys that no other table has."""
    schema, values = experiment_schema(), _default_values()
    if section == "experiment":
        own = {key: node for key, node in schema["properties"].items() if key not in sections or key == "datasets"}
        rows = list(_rows({**schema, "properties": own}, values))
    elif section == "datasets":
        (entry,) = schema["properties"]["datasets"]["patternProperties"].values()
        rows = list(_rows(entry, {}))
    else:
        rows = list(_rows(schema["properties"][section], values[section]))
    header = (
        f"| key | type | {'in `config.yaml`' if section == 'ablation' else 'default'} | meaning |\n|---|---|---|---|\n"
    )
    return header + "".join(f"| {' | '.join(row)} |\n" for row in _merged(rows))


def _rows(schema: dict, values: dict, prefix: str = "") -> Iterator[Row]:
    """Yield a row for each key of a mapping and of the mappings in it.

    Args:
        schema: Schema of the mapping.
        values: The default values in it.
        prefix: Dotted path of the mapping, with a dot at its end.
    """
    for key, node in schema.get("properties", {}).items():
        name = f"{prefix}{key}"
        if all("properties" in branch for branch in branches(node)):
            inner = _joined([branch for branch in branches(node) if not branch.get("additionalProperties")])
            yield from _rows(inner, values.get(key, {}), f"{name}.")
            continue
        meaning = re.sub(r"\bdocs/\w+\.md", r"[\g<0>](../\g<0>)", node["description"])
        yield Row(f"`{name}`", type_text(node), _default(schema, key, values), meaning)
        for branch in branches(node.get("items", {})):
            yield from _rows(branch, {}, f"{name}[].")


def _joined(alternatives: list[dict]) -> dict:
    """Join the keys of alternative mappings; a key that has a fixed value in each of them may have any of these."""
    joined: dict[str, dict] = {}
    for node in alternatives:
        for key, value in node["properties"].items():
            fixed = [*joined.get(key, {}).get("enum", []), *([value["const"]] if "const" in value else [])]
            joined[key] = {**value, "enum": fixed} if fixed else value
    places = {key: place for node in alternatives for place, key in enumerate(node["properties"])}
    required = [key for key in joined if all(key in node.get("required", ()) for node in alternatives)]
    return {"properties": {key: joined[key] for key in sorted(joined, key=places.__getitem__)}, "required": required}


def _default(schema: dict, key: str, values: dict) -> str:
    """Return the default value of a key as a cell of a table."""
    node = schema["properties"][key]
    if key not in values and "default" not in node:
        return "required" if key in schema.get("required", ()) else NO_DEFAULT
    value = values.get(key, node.get("default"))
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
    return f"`{text}`" if len(text) <= LONGEST else "see `config.yaml`"


def _merged(rows: list[Row]) -> Iterator[Row]:
    """Join rows that differ only in the key."""
    keys: dict[tuple, list[str]] = {}
    for row in rows:
        keys.setdefault(row[1:], []).append(row.key)
    return (Row(", ".join(names), *cells) for cells, names in keys.items())


def main() -> None:
    """Write the schema and the tables."""
    schema, readme = paths.PROJECT / SCHEMA, paths.PROJECT / README
    schema.parent.mkdir(exist_ok=True)
    schema.write_text(schema_text(), encoding="utf-8")
    readme.write_text(readme_text(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
