"""Overriding settings: merge mappings, and read the values that Snakemake's `--config` passes as text."""

import copy
import re
from typing import Any

from ssr_mmseg.utils import safe_parsing


def merge(base: dict, changes: dict) -> dict:
    """Return a copy of `base` with `changes` merged into it, mapping by mapping.

    Lists and scalars are replaced, and so is a mapping of another `type`, because its keys have other meanings.
    """
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        before = merged.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and value.get("type") in (None, before.get("type")):
            merged[key] = merge(before, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def typed(value: Any) -> Any:
    """Return `value` with its strings read as YAML scalars.

    Snakemake's `--config retrain='{epochs: 3}'` yields the string "3".
    """
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    if isinstance(value, str):
        try:
            scalar = safe_parsing.parse_yaml(value.encode()) if re.fullmatch(r"[\w.+-]*", value) else value
        except (safe_parsing.ParseError, UnicodeEncodeError):  # 2020-13-45 looks like a date but is not one
            return value
        return scalar if isinstance(scalar, bool | int | float | None) else value
    return value
