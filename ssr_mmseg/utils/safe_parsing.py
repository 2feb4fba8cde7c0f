"""Text that is not trusted becomes plain values: of limited size, depth and number, and with one meaning only.

JSON and YAML both have more than one reading of a key that stands twice, and YAML lets a few lines stand for billions
of values. What passes here is what `files.write_json` can write: mappings with text keys, lists, text, finite numbers
that fit 64 bits, booleans and null.
"""

import json
import math
from collections.abc import Collection
from typing import Any

import yaml

MAX_BYTES = 64 * 2**20  # far above the metrics of the longest search
MAX_YAML_BYTES = 2**20  # of YAML, which is parsed a thousand times slower
MAX_VALUES = 5_000_000
MAX_YAML_VALUES = 50_000  # a configuration of 200 datasets has 10,000
MAX_DEPTH = 32
MAX_INTEGER = 2**63

MERGE = "tag:yaml.org,2002:merge"


class ParseError(ValueError):
    """The text is no JSON or YAML, or more of it than is taken; the message says what is wrong, in one line."""


def parse_json(data: bytes) -> Any:
    """The value of a JSON document in UTF-8.

    Raises:
        ParseError: it is none, a key stands twice in one object, or it holds something that is not plain.
    """
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:  # each value has one, so count before parsing
        raise ParseError(f"it holds more than {MAX_VALUES} values")
    try:
        return plain(json.loads(data.decode("utf-8"), object_pairs_hook=_mapping))
    except RecursionError as error:
        raise ParseError(f"it is nested more than {MAX_DEPTH} levels deep") from error
    except ParseError:
        raise
    except ValueError as error:  # also bytes that are no UTF-8, and integers of thousands of digits
        raise ParseError(str(error)) from error


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ParseError(f"the key {shown(twice)} stands twice in one object")
    return found


def parse_yaml(data: bytes) -> Any:
    """The value of a YAML document in UTF-8, of YAML's plain types only.

    Raises:
        ParseError: it is none, a key stands twice in one mapping, or it holds something that is not plain.
    """
    if len(data) > MAX_YAML_BYTES:
        raise ParseError(f"it is larger than {MAX_YAML_BYTES} bytes")
    try:
        return plain(_Loader(data.decode("utf-8")).get_single_data(), MAX_YAML_VALUES)
    except ParseError:
        raise
    except RecursionError as error:
        raise ParseError(f"it is nested more than {MAX_DEPTH} levels deep") from error
    except Exception as error:  # PyYAML's constructors raise anything on a scalar that does not fit its tag
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ParseError(problem) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader constructs data only; this one also stops keys that vanish and merges that explode."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if (key.tag, key.value) in seen:
                    raise ParseError(
                        f"the key {shown(key.value)} stands twice in one mapping (line {key.start_mark.line + 1})"
                    )
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve `<<`, each source first, so that what it would copy is known before it is copied."""
        sources: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == MERGE:
                sources += value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                self.flatten_mapping(source)
        if sum(len(source.value) for source in sources) > MAX_YAML_VALUES:
            raise ParseError("its merges (<<) multiply to more keys than are taken")
        super().flatten_mapping(node)


def plain(value: Any, most: int = MAX_VALUES) -> Any:
    """`value`, if it is plain data (see above) of at most `most` values; one that is reached twice counts twice.

    Raises:
        ParseError: it is not; also a value that contains itself.
    """
    level, count = [value], 1
    for _ in range(MAX_DEPTH + 1):
        following: list[Any] = []
        inner: Collection[Any]
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    if not isinstance(key, str):
                        raise ParseError(f"the key {shown(key)} is no text: put it in quotes")
                    _check_scalar(key)
                inner = item.values()
            elif isinstance(item, list):
                inner = item
            else:
                _check_scalar(item)
                continue
            count += len(inner)
            if count > most:  # before they are gathered: aliases can make few bytes stand for any number of values
                raise ParseError(f"it holds more than {most} values")
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
        except UnicodeEncodeError as error:  # JSON's \\ud800 without its other half: nothing could write it
            raise ParseError(f"the text {shown(value)} holds half a character") from error
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise ParseError("it holds a whole number beyond 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ParseError(f"it holds the number {value}, expected finite ones")
    else:
        raise ParseError(f"{shown(value)} is of the type {type(value).__name__}: put it in quotes to mean the text")


def shown(value: Any) -> str:
    """A value as it may stand in a message: short, and in ASCII."""
    text = ascii(value) if isinstance(value, str | int | float | bytes | None) else ascii(str(value))
    return text if len(text) <= 60 else f"{text[:60]}…"
