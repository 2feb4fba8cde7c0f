"""Validation of a configuration, with one line for the user about what is wrong."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.config_schema import experiment_schema, mapping_node, node_at
from ssr_mmseg.settings.models import Experiment
from ssr_mmseg.settings.type_text import NAME, SENTENCE, type_text
from ssr_mmseg.utils.errors import UserError, one_line

MOST = 60  # characters of one key or text in a message
MOST_ITEMS = 8  # of one list or mapping in a message
REMEDY = "see config/README.md"
UNKNOWN, MISSING = "extra_forbidden", "missing"  # types of pydantic's errors


def validate(config: Any, origin: str) -> None:
    """Check that a complete configuration has known keys and allowed values only.

    Args:
        config: Plain data.
        origin: The file or the part that it comes from, for the message.

    Raises:
        UserError: It does not fit the models.
    """
    try:
        Experiment.model_validate(config)
    except ValidationError as error:
        raise UserError(f"{origin}: {one_line(_message(error, config))}") from None


def _message(error: ValidationError, config: Any) -> str:
    """Describe the most telling of several errors: an unknown key, then a wrong value, then a missing key.

    An unknown key often is the misspelled name of a missing one. Of several errors of one kind, the deepest is chosen.
    """
    order = {UNKNOWN: 0, MISSING: 2}
    errors = error.errors(include_url=False, include_input=False)
    best = min(errors, key=lambda one: (order.get(one["type"], 1), -len(one["loc"])))
    location, kind, context = best["loc"], best["type"], best.get("ctx", {})
    if kind == UNKNOWN:
        return _unknown_key(_path(location[:-1], config), str(location[-1]), config)
    if kind == MISSING:
        path = _path(location[:-1], config)
        expected = _expected([*path, location[-1]], config)
        return f"{dotted(path)}: the key {location[-1]} is missing, expected {expected}; {REMEDY}"
    if kind == "invalid_key":
        return f"the key {shown(location[-1])} at {dotted(_path(location[:-1], config))} is not text; put it in quotes"
    path = _path(location, config)
    if kind == "reserved":
        place = dotted(path[:-1] if location[-1:] == ("[key]",) else path)
        names = ", ".join(sorted(paths.FOLDERS))
        return f"{place}: {context['name']} is a folder of other results, as are {names}, seed0, …; choose another name"
    if location[-1:] == ("[key]",):
        return f"{dotted(path[:-1])}: expected names{NAME}, found {shown(path[-1])}; {REMEDY}"
    if kind == "plugin_target":
        targets = ", ".join(shown(key) for key in context["targets"]) or "none"
        return f"{dotted(path)}: expected exactly one key target or target_<unit>, found {targets}; {REMEDY}"
    if kind == "duplicate":
        value = _value([*path, context["index"]], config)
        return f"{dotted(path)}: expected distinct values, found {shown(value)} more than once; {REMEDY}"
    if kind == "class_name":
        found = f"found {shown(_value(path, config))}, which {context['problem']}"
        return f"{dotted(path)}: expected the name of a class, {found}; {REMEDY}"
    path += context.get("place", [])
    hint = node_at(experiment_schema(), config, path).get("hint", REMEDY)
    return f"{dotted(path)}: expected {_expected(path, config)}, found {shown(_value(path, config))}; {hint}"


def _unknown_key(path: list[str | int], key: str, config: Any) -> str:
    """Name an unknown key, the known key that it resembles most, and all known keys."""
    node = mapping_node(node_at(experiment_schema(), config, path), _value(path, config))
    known = sorted(node.get("properties", ()))
    close = difflib.get_close_matches(key[:MOST], known, n=1)
    hint = f" did you mean {close[0]}?" if close else ""
    return f"unknown key {_plain(key)} at {dotted(path)};{hint} known keys: {', '.join(known)}"


def _expected(path: Sequence[str | int], config: Any) -> str:
    """Describe the values that are allowed at a place of the configuration."""
    return type_text(node_at(experiment_schema(), config, path), SENTENCE)


def _path(location: Sequence[str | int], config: Any) -> list[str | int]:
    """Return the keys and indices in the location of an error, without the tags that pydantic adds to it for unions."""
    path = []
    for part in location:
        try:
            config = config[part]
        except (LookupError, TypeError):
            continue
        path.append(part)
    return path


def _value(path: Sequence[str | int], config: Any) -> Any:
    for part in path:
        config = config[part]
    return config


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as `search.space.stages.0.blocks`."""
    return ".".join(_plain(str(part)) for part in path) or "top level"


def _plain(key: str) -> str:
    """Return a key as it is if it is short and made of letters, digits and `_@/-`, else shortened and in quotes."""
    return key if re.fullmatch(rf"[\w@/-]{{1,{MOST}}}", key) else shown(key)


def shown(value: Any, depth: int = 2) -> str:
    """Return a value as YAML writes it, shortened; of a long or deeply nested list or mapping, only its length."""
    if isinstance(value, str):
        text = value if len(value) <= MOST else f"{value[:MOST]}…"
        return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
    if isinstance(value, list | dict):
        return _container(value, depth)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a huge integer"
    return repr(value) if isinstance(value, int | float) else f"a value of the type {type(value).__name__}"


def _container(value: list | dict, depth: int) -> str:
    text = ""
    if len(value) <= MOST_ITEMS and depth > 0:
        if isinstance(value, list):
            text = f"[{', '.join(shown(item, depth - 1) for item in value)}]"
        else:
            text = ", ".join(f"{_plain(str(key))}: {shown(item, depth - 1)}" for key, item in value.items())
            text = f"{{{text}}}"
    noun = "list" if isinstance(value, list) else "mapping"
    return text if 0 < len(text) <= 2 * MOST else f"a {noun} of length {len(value)}"
