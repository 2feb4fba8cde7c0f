"""Parsing of untrusted JSON and YAML to plain values, limited in size, depth and number.

A key that occurs twice is ambiguous in both formats, and a few lines of YAML can represent billions of values. The
accepted values are those that `files.write_json` can write: mappings with text keys, lists, text, finite numbers that
fit 64 bits, booleans and null.
"""

import json
import math
from collections.abc import Collection
from typing import Any

import yaml

MAX_BYTES = 64 * 2**20  # far above the metrics of the longest search
MAX_YAML_BYTES = 2**20  # YAML is parsed a thousand times slower
MAX_VALUES = 5_000_000
MAX_YAML_VALUES = 50_000  # a configuration of 200 datasets has 10,000
MAX_DEPTH = 32
MAX_INTEGER = 2**63

MERGE, INTEGER, TEXT = (f"tag:yaml.org,2002:{name}" for name in ("merge", "int", "str"))


class ParseError(ValueError):
    """The text is not valid JSON or YAML, or exceeds a limit; the message states the problem in one line."""


def parse_json(data: bytes) -> Any:
    """Parse a JSON document in UTF-8.

    Raises:
        ParseError: The text is not JSON, a key occurs twice in one object, or a value is not plain.
    """
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:  # each value has one: count before parsing
        raise ParseError(f"it contains more than {MAX_VALUES} values")
    try:
        return check_plain(json.loads(data.decode("utf-8"), object_pairs_hook=_mapping))
    except RecursionError as error:
        raise ParseError(f"it is nested more than {MAX_DEPTH} levels deep") from error
    except ParseError:
        raise
    except ValueError as error:  # also invalid UTF-8, and integers of thousands of digits
        raise ParseError(str(error)) from error


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ParseError(f"the key {quote(repeated)} occurs twice in one object")
    return mapping


def parse_yaml(data: bytes) -> Any:
    """Parse a YAML document in UTF-8 that has values of YAML's plain types only.

    Raises:
        ParseError: The text is not YAML, a key occurs twice in one mapping, or a value is not plain.
    """
    if len(data) > MAX_YAML_BYTES:
        raise ParseError(f"it is larger than {MAX_YAML_BYTES} bytes")
    try:
        return check_plain(_Loader(data.decode("utf-8")).get_single_data(), MAX_YAML_VALUES)
    except ParseError:
        raise
    except RecursionError as error:
        raise ParseError(f"it is nested more than {MAX_DEPTH} levels deep") from error
    except Exception as error:  # PyYAML's constructors raise any error on a scalar that does not fit its tag
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ParseError(problem) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which constructs data only, with checks for repeated keys and exploding merges."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if key.tag == INTEGER:  # the values in a label map: as text, like in JSON
                    key.tag = TEXT
                if (key.tag, key.value) in seen:
                    raise ParseError(
                        f"the key {quote(key.value)} occurs twice in one mapping (line {key.start_mark.line + 1})"
                    )
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve `<<`, the merged mappings first, so that the number of keys is known before they are copied."""
        sources: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == MERGE:
                sources += value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                self.flatten_mapping(source)
        if sum(len(source.value) for source in sources) > MAX_YAML_VALUES:
            raise ParseError(f"its merges (<<) multiply to more than {MAX_YAML_VALUES} keys")
        super().flatten_mapping(node)


def check_plain(value: Any, max_values: int = MAX_VALUES) -> Any:
    """Return `value` if it is plain data (see above) of at most `max_values` values, aliases counted every time.

    Raises:
        ParseError: The value is not plain, has too many values or is nested too deeply, or contains itself.
    """
    level, count = [value], 1
    for _ in range(MAX_DEPTH + 1):
        following: list[Any] = []
        inner: Collection[Any]
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    if not isinstance(key, str):
                        raise ParseError(f"the key {quote(key)} is not text: put it in quotes")
                    _check_scalar(key)
                inner = item.values()
            elif isinstance(item, list):
                inner = item
            else:
                _check_scalar(item)
                continue
            count += len(inner)
            if count > max_values:  # checked before collecting them, because a few aliases can represent any number
                raise ParseError(f"it contains more than {max_values} values")
            following.extend(inner)
        if not following:
            return value
        level = following
    raise ParseError(f"it is nested more than {MAX_DEPTH} levels deep")


def _check_scalar(value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:  # such as \ud800 in JSON, which has no UTF-8 encoding
            raise ParseError(f"the text {quote(value)} contains an unpaired surrogate") from error
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise ParseError("it contains an integer beyond 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ParseError(f"it contains the number {value}, expected finite numbers")
    else:
        raise ParseError(f"{quote(value)} is of type {type(value).__name__}: put it in quotes if it is meant as text")


def quote(value: Any) -> str:
    """Return a short ASCII representation of a value, for messages."""
    text = ascii(value) if isinstance(value, str | int | float | bytes | None) else ascii(str(value))
    return text if len(text) <= 60 else f"{text[:60]}…"
